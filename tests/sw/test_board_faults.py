"""Boards, lines and runs that go wrong: nothing wrong is taken for right, and each has its text."""

from dataclasses import replace

import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.targets import target
from nhot.contract.cycles import program_cycles, run_limit
from nhot.contract.program import LIMIT_CYCLES, unpack_program
from nhot.device import Board, Link, LoopbackTransport
from nhot.device.areas import image_areas
from nhot.device.protocol import BUFFER_BYTES, Fault, Opcode, Request, Response, State, Status
from nhot.errors import DeviceError, MismatchError
from nhot.testing.networks import random_input, random_network
from nhot_sim.board_model import BoardModel, EngineMemory, PlainMemory, Run
from nhot_sim.line_model import FtdiLine

CONFIG = EngineConfig(filters=8, inputs=4, activation_words=4096)
NETWORK = random_network(3, layers=3, operators=("conv", "max", "linear"))
IMAGE = compile_network(NETWORK, CONFIG)
X = random_input(NETWORK.input, 3, 1)[0]
NAMES = [layer.name for layer in IMAGE.meta.layers]


def model(on_run=lambda limit: Run()) -> BoardModel:
    return BoardModel(
        target_id=CONFIG.target_id, memory=EngineMemory(CONFIG), on_run=on_run,
    )


def is_loaded(board: Board) -> bool:
    try:
        board.run(X)
    except DeviceError as error:
        return "must be loaded with an image before it can run" not in str(error)
    return True


def refuse_write(number):
    """The board refuses its ``number``-th WRITE."""
    def damage(line, board):
        obey, seen = board._obey, 0

        def refusing(body):
            nonlocal seen
            seen += body[0] == Opcode.WRITE
            if body[0] == Opcode.WRITE and seen == number:
                return Status.BAD_REQUEST, b""
            return obey(body)

        board._obey = refusing

    return damage


def fall_silent(line, board):
    line.write = lambda data: None


def read_wrong(line, board):
    read = board.memory.read
    board.memory.read = lambda region, address, length: bytes(
        byte ^ (region == 2) for byte in read(region, address, length)
    )


@pytest.mark.parametrize(("step", "damage"), [
    ("load", refuse_write(1)), ("load", refuse_write(3)), ("load", fall_silent),
    ("load", read_wrong), ("verify", fall_silent), ("verify", read_wrong),
], ids=[
    "first-write", "a-later-write", "silence", "read-back", "silence-while-comparing",
    "a-difference",
])
def test_what_fails_leaves_nothing_to_run(step, damage):
    device = model()
    line = LoopbackTransport(device.answer)
    board = Board(line, timeout=0.01)
    board.load(IMAGE)
    assert is_loaded(board)
    whole = line.write, device._obey, device.memory.read
    damage(line, device)
    with pytest.raises((DeviceError, MismatchError)):
        getattr(board, step)(IMAGE)
    line.write, device._obey, device.memory.read = whole
    assert not is_loaded(board)
    board.load(IMAGE)
    assert is_loaded(board)


def wrong_answers(request: Request, right: Response) -> list[Response]:
    """Sound frames that are not the answer to ``request``."""
    opcodes = [opcode for opcode in Opcode if opcode != request.opcode]
    return [
        *(replace(right, opcode=opcode) for opcode in opcodes),
        replace(right, sequence=(right.sequence + 1) % 256),
        replace(right, payload=right.payload[:-1] if right.payload else b"a"),
        replace(right, payload=right.payload + b"a"),
        replace(right, status=Status.BUSY, payload=b"a"),
    ]


@pytest.mark.parametrize("request_", [
    Request(opcode=Opcode.HELLO), Request(opcode=Opcode.STATUS), Request(opcode=Opcode.RESET),
    Request(opcode=Opcode.RUN), Request(opcode=Opcode.READ, region=3, address=2, length=9),
    Request(opcode=Opcode.WRITE, region=3, length=4, payload=b"abcd"),
], ids=lambda request: request.opcode.name)
def test_only_the_right_answer_is_taken(request_):
    """Wrong ones come first, and are passed over; the right one is taken without a repetition."""
    board = BoardModel(target_id=1, memory=PlainMemory())

    def answer(data):
        right = Response.from_bytes(board.answer(data).rstrip(b"\0"))
        wrong = b"".join(frame.to_bytes() for frame in wrong_answers(request_, right))
        return wrong + right.to_bytes()

    link = Link(LoopbackTransport(answer), timeout=0.01)
    response = link.request(request_)
    assert response.status == Status.OK
    assert len(response.payload) == request_.answer_bytes
    assert link.repeated == 0


def test_wrong_answers_alone_are_none():
    board = BoardModel(target_id=1, memory=PlainMemory())
    request = Request(opcode=Opcode.READ, region=3, length=4)

    def answer(data):
        frames = [frame for frame in board.answer(data).split(b"\0") if frame]
        return b"".join(
            wrong.to_bytes() for frame in frames
            for wrong in wrong_answers(request, Response.from_bytes(frame))
        )

    with pytest.raises(DeviceError, match="must answer READ, but did not"):
        Link(LoopbackTransport(answer), timeout=0.01).request(request)


@pytest.mark.parametrize("tries", [1, 3])
def test_a_silent_board_is_asked_so_many_times(tries):
    sent = []
    link = Link(LoopbackTransport(lambda data: sent.append(data) or b""), timeout=0.01, tries=tries)
    with pytest.raises(DeviceError, match=f"did not in {tries} tries of 0.01 s"):
        link.request(Request(opcode=Opcode.STATUS))
    assert len(sent) == tries


def test_half_a_frame_of_another_host_does_not_eat_the_greeting():
    device = model()
    device.answer(Request(opcode=Opcode.STATUS).to_bytes()[:-3])
    board = Board(LoopbackTransport(device.answer), timeout=0.01)
    assert board.hello.target_id == CONFIG.target_id
    assert board.link.repeated == 0
    assert device.dropped == 1


def test_half_a_frame_does_not_eat_its_own_repetition():
    """The end of a request is lost: one repetition is enough."""
    device = BoardModel(target_id=1, memory=PlainMemory())
    sent = []

    def answer(data):
        sent.append(data)
        return device.answer(data[:-2] if len(sent) == 1 else data)

    link = Link(LoopbackTransport(answer), timeout=0.01, tries=2)
    assert link.request(Request(opcode=Opcode.STATUS)).status == Status.OK
    assert link.repeated == 1


@pytest.mark.parametrize(("fault", "layer", "where", "reason"), [
    (Fault.PROGRAM, 0, repr(NAMES[0]), "has no descriptor that it can run"),
    (Fault.ADDRESS, len(NAMES) - 1, repr(NAMES[-1]), "reaches beyond a memory"),
    (Fault.CYCLES, 1, repr(NAMES[1]), "takes more cycles than the whole program should"),
    (Fault.PROGRAM, len(NAMES), "the END", "has no descriptor that it can run"),
], ids=lambda value: getattr(value, "name", None))
def test_a_run_that_the_engine_ends_is_an_error(fault, layer, where, reason):
    device = model(lambda limit: Run(cycles=77, fault=fault, layer=layer))
    board = Board(LoopbackTransport(device.answer, name="COM1"))
    board.load(IMAGE)
    with pytest.raises(DeviceError) as caught:
        board.run(X)
    assert str(caught.value) == (
        f"Run on COM1 must come to its END, but the engine stopped after 77 cycles at {where} "
        f"(descriptor {layer}), which {reason}; load the image again"
    )
    assert device.runs == 0


def test_a_run_is_limited_to_the_cycles_of_its_program():
    limits = []
    device = model(lambda limit: limits.append(limit) or Run())
    board = Board(LoopbackTransport(device.answer))
    board.load(IMAGE)
    board.run(X)
    program = unpack_program(IMAGE.program)
    assert limits == [run_limit(program, CONFIG)]
    cycles = sum(program_cycles(program, CONFIG))
    assert (limits[0] - 1) * LIMIT_CYCLES <= cycles < limits[0] * LIMIT_CYCLES


def test_an_unknown_fault_is_an_error_of_the_device():
    payload = bytearray(State(busy=False, runs=0, cycles=0, stalls=0, dropped=0).to_bytes())
    payload[2] = 9
    with pytest.raises(DeviceError, match="Fault must be 0 to 3, not 9"):
        State.from_bytes(bytes(payload))


def answered(sent):
    """A line that answers whatever comes, and keeps each batch of frames."""
    def answer(data):
        sent.append(data)
        return b"".join(
            Response(
                opcode=request.opcode, sequence=request.sequence,
                payload=bytes(request.answer_bytes),
            ).to_bytes()
            for request in (Request.from_bytes(frame) for frame in data.split(b"\0") if frame)
        )

    return LoopbackTransport(answer)


def sizes_of_batches(*payloads):
    """What is written at a time: a READ for None, a WRITE of so many bytes for a number."""
    sent = []
    link = Link(answered(sent))
    requests = [
        Request(opcode=Opcode.READ, length=1) if size is None else
        Request(opcode=Opcode.WRITE, length=size, payload=bytes([7]) * size) for size in payloads
    ]
    assert len(list(link.pipeline(requests))) == len(payloads)
    assert link.repeated == 0
    return [len(batch) for batch in sent]


@pytest.mark.parametrize(("payloads", "batches"), [
    ((None, 242, 229), [510]), ((None, 242, 230), [268, 243]), ((242, None, 230), [268, 243]),
    ((None,) * 39, [507]), ((None,) * 40, [507, 13]), ((242, 242, None), [510, 13]),
])
def test_as_many_are_under_way_as_the_queue_holds(payloads, batches):
    """A frame has 13 bytes more than its payload; the queue holds 511, one of them a delimiter."""
    assert sizes_of_batches(*payloads) == batches


@pytest.mark.parametrize(("payloads", "batches"), [
    ((112,) * 5, [625]), ((243,) * 16, [4096]), ((243,) * 17, [4096, 256]),
    ((0,) * 200, [128 * 13, 72 * 13]),
])
def test_more_are_where_the_board_works_them_off_as_they_come(payloads, batches):
    assert sizes_of_batches(*payloads) == batches


def long_image():
    """Of 17 kB, and its engine."""
    config = target("ulx3s-85f").config
    network = random_network(
        3, formats=(config.weight_format,), layers=4, shape=(12, 12, 16), operators=("conv",),
        widest=44,
    )
    return compile_network(network, config)


@pytest.mark.parametrize("latency", [0.001, 0.016])
@pytest.mark.parametrize("clock_hz", [12_000_000, 60_000_000])
def test_loading_takes_the_time_of_the_line(latency, clock_hz):
    """85 % of 1 Mbaud in the line's own time, whatever the adapter's timer; nothing is lost."""
    image = long_image()
    size = len(image.program) + len(image.requant) + len(image.weights)
    assert 16 << 10 < size < 20 << 10
    device = BoardModel(target_id=image.config.target_id, memory=EngineMemory(image.config))
    line = FtdiLine(device, latency=latency, clock_hz=clock_hz)
    board = Board(line)
    start = line.clock()
    board.load(image, verify=False)
    assert size / (line.clock() - start) > 0.85 * 100_000
    start = line.clock()
    board.verify(image)
    stored = sum(len(area.stored) for area in image_areas(image))
    assert stored / (line.clock() - start) > 0.85 * 100_000
    assert line.longest < BUFFER_BYTES
    assert board.link.repeated == device.dropped == 0


def test_what_has_no_delimiter_is_not_kept_for_ever():
    link = Link(LoopbackTransport(lambda data: bytes([1]) * 700), timeout=0.01, tries=3)
    with pytest.raises(DeviceError, match="did not in 3 tries"):
        link.request(Request(opcode=Opcode.STATUS))
    assert len(link._received) == 1024


def test_the_documented_patience():
    """docs/protocol.md: half a second, five times."""
    link = Link(answered([]))
    assert (link.timeout, link.tries) == (0.5, 5)
    assert Board(LoopbackTransport(model().answer)).link.timeout == 0.5


def numbers_of(link, sent, opcodes):
    """The sequence numbers that a link gives to requests."""
    list(link.pipeline([Request(opcode=opcode) for opcode in opcodes]))
    frames = b"".join(sent).split(b"\0")[:-1]
    return [Request.from_bytes(frame).sequence for frame in frames]


def test_requests_are_numbered_one_after_the_other():
    sent = []
    numbers = numbers_of(Link(answered(sent)), sent, [Opcode.STATUS] * 600)
    assert numbers == [(1 + index) % 256 for index in range(600)]


@pytest.mark.parametrize(("between", "last"), [(254, 0), (255, 2), (256, 2), (511, 2)])
def test_two_runs_in_a_row_have_numbers_of_their_own(between, last):
    """The board takes a RUN of the number of the one before for that one."""
    sent = []
    opcodes = [Opcode.RUN, *[Opcode.STATUS] * between, Opcode.RUN]
    numbers = numbers_of(Link(answered(sent)), sent, opcodes)
    assert (numbers[0], numbers[-1]) == (1, last)
    assert numbers[:-1] == [(1 + index) % 256 for index in range(between + 1)]
