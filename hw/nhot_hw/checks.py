"""What ``nhot doctor`` looks at for the gateware: the cache of what is expensive to make."""

from nhot.doctor import Check, Problem
from nhot.errors import NhotError
from nhot_hw.cache import cache_folder

__all__ = ["cache"]

_MANY = 10 << 30


def cache() -> Check:
    """Whether the cache can be written to, and how large it is."""
    try:
        folder = cache_folder("").absolute()
    except NhotError as error:
        return Check(name="cache", state="none", problems=(
            Problem(what=str(error), cure="export NHOT_CACHE_DIR=~/nhot-cache"),))
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    state = f"{folder}, {size / 1e6:,.0f} MB"
    if size <= _MANY:
        return Check(name="cache", state=state)
    return Check(name="cache", state=state, problems=(
        Problem(what="it is large", cure=f"rm -r {folder}: what is needed is made again",
                serious=False),))
