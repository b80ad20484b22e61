"""Bench of the stream helpers themselves: a stream goes in, the same payloads come out."""

import cocotb
from cocotb.triggers import RisingEdge

from nhot_sim.benches.stream_ports import StreamMonitor, StreamSink, StreamSource, start
from nhot_sim.runner import bench_parameters


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def every_payload_arrives_once_in_order(dut):
    parameters = bench_parameters()
    payloads = parameters["payloads"]
    expected = parameters.get("expected", payloads)
    source = StreamSource(dut, "i", pause=parameters["put_pause"], seed=1)
    sink = StreamSink(dut, "o", pause=parameters["get_pause"], seed=2)
    await start(dut)
    watched = StreamMonitor(dut, "o")
    writing = cocotb.start_soon(source.put_all(payloads))
    taken = await sink.get_all(len(payloads))
    mask = (1 << len(dut.o__payload)) - 1
    assert taken == [payload & mask for payload in expected]
    await writing
    await RisingEdge(dut.clk)
    assert watched.transfers == taken
    if parameters["put_pause"] == parameters["get_pause"] == 0:
        assert watched.cycles[-1] - watched.cycles[0] == len(payloads) - 1
