"""Bench of the core: golden jobs, refusals, jobs broken off; with stalls of the bus and without."""

import json
import random
from pathlib import Path
from typing import Any

import cocotb
import registers as r
from host import Host

HERE = Path(__file__).parent
JOBS = list(json.loads((HERE / "session.json").read_text(encoding="utf-8")).values())
ENGINE = json.loads((HERE / "registers.json").read_text(encoding="utf-8"))
PATIENCE = 20_000  # reads until something must have happened


async def must_read(host: Host, register: int) -> int:
    """A read that is no error."""
    value = await host.read(register)
    assert value is not None, f"a read of 0x{register:02x} must be no error"
    return value


async def must_write(host: Host, register: int, value: int) -> None:
    """A write that is no error."""
    assert await host.write(register, value), f"a write of 0x{register:02x} must be no error"


async def status(host: Host, name: str) -> int:
    """A field of STATUS."""
    low, width = r.FIELDS[r.STATUS][name]
    return (await must_read(host, r.STATUS)) >> low & (1 << width) - 1


async def until(host: Host, register: int, mask: int, value: int) -> None:
    """Read until the bits of ``mask`` are those of ``value``."""
    for _ in range(PATIENCE):
        if (await must_read(host, register)) & mask == value:
            return
    raise AssertionError(f"0x{register:02x} must come to be 0x{value:x}")


async def acquire(host: Host, job: dict[str, Any], *, stream: bool = False) -> int:
    """Take the job registers and fill them; the number of the job."""
    number = await must_read(host, r.ACQUIRE)
    assert number == await must_read(host, r.JOBS), "ACQUIRE must give the number of the job"
    assert await must_read(host, r.ACQUIRE) == 0xFFFFFFFF, "and no other before it has ended"
    for register, value in (
        (r.INPUT, job["input_address"] | job["input_region"] << 16),
        (r.INPUT_WORDS, job["input_words"]),
        (r.OUTPUT, job["output_address"] | job["output_region"] << 16 | stream << 19),
        (r.OUTPUT_WORDS, job["output_words"]),
        (r.LIMIT, job["limit"]),
    ):
        await must_write(host, register, value)
        assert await must_read(host, register) == value, "a job register must keep what it was told"
    return number


async def commit(host: Host, want: int = 0) -> None:
    """Start the job, or be refused for that reason."""
    await must_write(host, r.COMMIT, 1)
    assert await status(host, "refusal") == want, "STATUS must say what became of the COMMIT"


async def do(host: Host, job: dict[str, Any], *, stream: bool = False) -> None:
    """A job from its beginning to its end, and what it gives."""
    number = await acquire(host, job, stream=stream)
    await commit(host)
    given, wanted = bytes.fromhex(job["input"]), bytes.fromhex(job["output"])
    if stream:
        await host.send(given)
        got = await host.receive(len(wanted)) if wanted else b""
    else:
        await put(host, given)
        got = await take(host, len(wanted))
    await finish(host, job, number, got)


async def put(host: Host, data: bytes) -> None:
    """Bytes of input, four a word."""
    for start in range(0, len(data), 4):
        await must_write(host, r.DATA, int.from_bytes(data[start : start + 4], "little"))


async def take(host: Host, count: int) -> bytes:
    """Bytes of output, when they are there."""
    if not count:
        return b""
    await until(host, r.IRQ_STATUS, 8, 8)
    words = [await must_read(host, r.DATA) for _ in range((count + 3) // 4)]
    data = b"".join(word.to_bytes(4, "little") for word in words)
    assert not any(data[count:]), "spare bytes must be zeros"
    return data[:count]


async def finish(host: Host, job: dict[str, Any], number: int, got: bytes) -> None:
    """The end of a job: its output, the counters, the interrupt."""
    await until(host, r.JOBS, 0x7FFFFFFF, number + 1)
    assert got.hex() == job["output"], (
        f"Output of job {number}, {job['what']}, must be {job['output']}, not {got.hex()}"
    )
    assert not await status(host, "running")
    assert not await status(host, "acquired")
    assert await must_read(host, r.IRQ_STATUS) == (9 if got else 1), "done, and output if there was"
    await must_write(host, r.IRQ_STATUS, 0xF)
    assert await must_read(host, r.IRQ_STATUS) == 0
    if job["limit"]:
        assert await must_read(host, r.CYCLES) == job["cycles"], "a run must take its cycles"
        assert await must_read(host, r.STALLS) <= job["cycles"]
        assert await must_read(host, r.LAYERS) > 0


async def works(host: Host) -> None:
    """The whole session, jobs through DATA."""
    for job in JOBS:
        await do(host, job)


@cocotb.test()
async def identity(dut: Any) -> None:
    """Registers say what this is; what is no register is an error, and so is a part of a word."""
    host = await Host.start(dut, pause=0.0)
    assert await must_read(host, r.ID) == int.from_bytes(b"NHOT", "little")
    assert await must_read(host, r.VERSION) == r.VALUES["VERSION"]
    assert await must_read(host, r.TARGET) == ENGINE["target"]
    assert await must_read(host, r.FEATURES) == host.STREAMS | ENGINE["buffer"] << 1
    for name, (depth, size) in ENGINE["memories"].items():
        assert await must_read(host, getattr(r, f"MEMORY_{name}")) == depth | size << 17
    for offset in [*range(0, 0x100, 4), 0x800, 0xFFC]:
        if offset not in r.READABLE:
            assert await host.read(offset) is None, f"0x{offset:03x} must be no register"
        if offset not in r.WRITABLE:
            assert not await host.write(offset, 0xFFFFFFFF), f"0x{offset:03x} must not be written"
    await must_write(host, r.IRQ_ENABLE, 5)
    assert not await host.write(r.IRQ_ENABLE, 2, part=True), "a part of a word must be refused"
    assert await must_read(host, r.IRQ_ENABLE) == 5
    assert await must_read(host, r.JOBS) == 0


@cocotb.test()
async def golden(dut: Any) -> None:
    """Load a network, run it on two inputs, and read the outputs of nhot's reference."""
    await works(await Host.start(dut, pause=0.0))


@cocotb.test()
async def stalls(dut: Any) -> None:
    """The same, with pauses at random on all sides; through the streams where there are any."""
    host = await Host.start(dut, pause=0.4)
    for job in JOBS:
        await do(host, job, stream=bool(host.STREAMS))
    await works(host)


@cocotb.test()
async def abreast(dut: Any) -> None:
    """The same while another reads all the time, where the bus lets it."""
    host = await Host.start(dut, pause=0.2)
    if host.ABREAST:
        async def read_on() -> None:
            while True:
                assert await must_read(host, r.TARGET) == ENGINE["target"]

        cocotb.start_soon(read_on())
    for number in range(60):  # jobs of nothing
        assert await must_read(host, r.ACQUIRE) == number
        await must_write(host, r.LIMIT, 0)
        await commit(host)
        await until(host, r.JOBS, 0x7FFFFFFF, number + 1)
    await must_write(host, r.IRQ_STATUS, 0xF)
    await works(host)


@cocotb.test()
async def refusals(dut: Any) -> None:
    """What is no sound job is refused by name, and changes nothing."""
    host = await Host.start(dut, pause=0.0)
    await works(host)
    run, jobs = JOBS[-1], len(JOBS)
    await commit(host, r.REFUSAL_NOT_ACQUIRED)
    assert not await host.write(r.LIMIT, 1), "job registers must belong to someone"
    depth = {name: depth for name, (depth, _) in ENGINE["memories"].items()}
    await acquire(host, run)
    await must_write(host, r.IRQ_STATUS, 0xF)
    for register, words, place, count, reason in (
        (r.INPUT, r.INPUT_WORDS, depth["ACTIVATIONS"] | 3 << 16, 1, r.REFUSAL_INPUT),
        (r.INPUT, r.INPUT_WORDS, 1 | 3 << 16, depth["ACTIVATIONS"], r.REFUSAL_INPUT),
        (r.INPUT, r.INPUT_WORDS, 0xFFFF | 2 << 16, 0x1FFFF, r.REFUSAL_INPUT),
        (r.INPUT, r.INPUT_WORDS, 0 | 4 << 16, 1, r.REFUSAL_INPUT),
        (r.INPUT, r.INPUT_WORDS, 0 | 7 << 16, 1, r.REFUSAL_INPUT),
        (r.OUTPUT, r.OUTPUT_WORDS, depth["PROGRAM"] | 0 << 16, 1, r.REFUSAL_OUTPUT),
        (r.OUTPUT, r.OUTPUT_WORDS, 0 | 4 << 16, depth["TIMING"] + 1, r.REFUSAL_OUTPUT),
        (r.OUTPUT, r.OUTPUT_WORDS, 0 | 5 << 16, 1, r.REFUSAL_OUTPUT),
        *([] if host.STREAMS else [
            (r.OUTPUT, r.OUTPUT_WORDS, 3 << 16 | 1 << 19, 1, r.REFUSAL_STREAM),
        ]),
    ):
        before = [await must_read(host, register), await must_read(host, words)]
        await must_write(host, register, place)
        await must_write(host, words, count)
        await commit(host, reason)
        assert await must_read(host, r.IRQ_STATUS) == 4, "a refusal must be an event"
        assert dut.irq.value == 0, "which is no interrupt before it is enabled"
        await must_write(host, r.IRQ_ENABLE, 4)
        assert dut.irq.value == 1, "and is one then"
        await must_write(host, r.IRQ_STATUS, 4)
        assert dut.irq.value == 0, "until it is cleared"
        await must_write(host, r.IRQ_ENABLE, 0)
        for offset, value in zip((register, words), before, strict=True):
            await must_write(host, offset, value)
    assert not await status(host, "running")
    assert await must_read(host, r.JOBS) == jobs, "none of these is a job"
    await must_write(host, r.CLEAR, 1)
    await do(host, run)


@cocotb.test()
async def one_at_a_time(dut: Any) -> None:
    """While a job runs there is no other: a second COMMIT is refused, and changes nothing."""
    host = await Host.start(dut, pause=0.0)
    for job in JOBS[:-1]:
        await do(host, job)
    job = JOBS[-1]
    number = await acquire(host, job)
    await commit(host)
    assert await status(host, "running")
    await commit(host, r.REFUSAL_BUSY)
    assert await must_read(host, r.ACQUIRE) == 0xFFFFFFFF
    for register in (r.INPUT, r.INPUT_WORDS, r.OUTPUT, r.OUTPUT_WORDS, r.LIMIT):
        before = await must_read(host, register)
        assert not await host.write(register, 1), "a running job must not be changed"
        assert await must_read(host, register) == before
    assert await host.read(r.DATA) is None, "there is no output yet"
    await put(host, bytes.fromhex(job["input"]))
    await commit(host, r.REFUSAL_BUSY)
    got = await take(host, len(bytes.fromhex(job["output"])))
    await must_write(host, r.IRQ_STATUS, 4)
    await finish(host, job, number, got)
    assert await host.read(r.DATA) is None, "nor behind its end"


@cocotb.test()
async def ahead(dut: Any) -> None:
    """Input of the next job comes while one runs, as much as the buffer holds, and no more."""
    host = await Host.start(dut, pause=0.0)
    for job in JOBS[:-3]:
        await do(host, job)
    first, second = JOBS[-3], JOBS[-1]  # the times of the first are read between them
    number = await acquire(host, first)
    await commit(host)
    await put(host, bytes.fromhex(first["input"]))
    await until(host, r.STATUS, 3 << 2, r.PHASE_RUN << 2)
    given = bytes.fromhex(second["input"])
    most = min(ENGINE["buffer"], (len(given) + 3) // 4)
    assert await must_read(host, r.ROOM) == ENGINE["buffer"]
    await put(host, given[: 4 * most])
    assert await must_read(host, r.ROOM) == ENGINE["buffer"] - most
    if most == ENGINE["buffer"] and await status(host, "phase") == r.PHASE_RUN:
        assert not await host.write(r.DATA, 0), "what has no room must be refused"
    await finish(host, first, number, await take(host, len(bytes.fromhex(first["output"]))))
    number = await acquire(host, second)
    await commit(host)
    await put(host, given[4 * most :])
    await finish(host, second, number, await take(host, len(bytes.fromhex(second["output"]))))


@cocotb.test()
async def cleared(dut: Any) -> None:
    """A job that is broken off, wherever that is, leaves nothing to the next one."""
    host = await Host.start(dut, pause=0.0)
    source = random.Random(1)
    await works(host)
    job = JOBS[-1]
    given, wanted = bytes.fromhex(job["input"]), bytes.fromhex(job["output"])
    jobs = await must_read(host, r.JOBS)
    for part in range(6):
        await acquire(host, job)
        if part:
            await commit(host)
        if part > 1:
            await put(host, given if part > 2 else given[: source.randrange(len(given))])
        if part == 4:
            await until(host, r.STATUS, 3 << 2, r.PHASE_RUN << 2)
        if part == 5:
            await take(host, min(4, len(wanted)))
        if part in (0, 4):
            await must_write(host, r.DATA, 0xDEADBEEF)  # too early, or for another job
        await must_write(host, r.CLEAR, 1)
        assert not await status(host, "running")
        assert await must_read(host, r.ROOM) == ENGINE["buffer"], "the input buffer must be empty"
        assert await must_read(host, r.JOBS) <= jobs + (len(wanted) <= 4)
        await must_write(host, r.IRQ_STATUS, 0xF)
        await do(host, job)
        jobs = await must_read(host, r.JOBS)


@cocotb.test()
async def limit(dut: Any) -> None:
    """A run that has no end is broken off, and says so; its job has no output."""
    host = await Host.start(dut, pause=0.0)
    await works(host)
    job = dict(JOBS[-1], input_words=0, input="", output="", limit=1)
    # A program without END: of descriptors that cannot be run.
    nonsense = dict(JOBS[0], input="ff" * len(bytes.fromhex(JOBS[0]["input"])))
    await do(host, nonsense)
    number = await acquire(host, job)
    await commit(host)
    await until(host, r.JOBS, 0x7FFFFFFF, number + 1)
    assert await status(host, "fault") == r.FAULT_PROGRAM
    assert await must_read(host, r.IRQ_STATUS) == 3, "done, with a fault, and no output"
    await must_write(host, r.IRQ_STATUS, 0xF)
    await do(host, JOBS[0])
    await do(host, JOBS[-1])
