"""The order of a job: acquired, committed and checked, then input, run and output."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot_hw.buses.mover import MoveLayout
from nhot_hw.buses.registers import Phase, Refusal
from nhot_hw.engine.host import WordAddress

__all__ = ["JobLayout", "JobSequencer", "PlaceLayout"]

PlaceLayout = data.StructLayout({"region": 3, "address": WordAddress, "words": 17})
"""Words of a memory."""

JobLayout = data.StructLayout({
    "input": PlaceLayout, "output": PlaceLayout, "stream": 1, "limit": 16,
})
"""What the job registers say."""


class JobSequencer(wiring.Component):
    """One job at a time, and only of whom acquired it.

    Members
    -------
    i_job : what is asked for; must stay from the commit to the end
    i_acquire : pulse: someone takes the job registers
    o_acquired : they are taken
    i_commit, o_answered : start the job; asked for until it is answered
    o_refusal : why not, from the cycle after the answer on
    o_running, o_phase : of the job
    o_done, o_faulty, o_refused, o_output : pulses: it has ended, with a fault too; a commit was
        refused; its output begins
    o_load, o_move, i_fits, o_go, i_idle : the mover
    o_start, i_busy, i_fault : the engine

    Parameters
    ----------
    streams : bool
        Whether output can go to a stream.
    """

    def __init__(self, *, streams: bool):
        self.streams = streams
        super().__init__({
            "i_job": In(JobLayout),
            "i_acquire": In(1),
            "o_acquired": Out(1),
            "i_commit": In(1),
            "o_answered": Out(1),
            "o_refusal": Out(Refusal),
            "o_running": Out(1),
            "o_phase": Out(Phase),
            "o_done": Out(1),
            "o_faulty": Out(1),
            "o_refused": Out(1),
            "o_output": Out(1),
            "o_load": Out(1),
            "o_move": Out(MoveLayout),
            "i_fits": In(1),
            "o_go": Out(1),
            "i_idle": In(1),
            "o_start": Out(1),
            "i_busy": In(1),
            "i_fault": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        write = Signal()
        place = Signal(PlaceLayout)
        m.d.comb += [
            place.eq(Mux(write, self.i_job.input, self.i_job.output)),
            self.o_move.eq(Cat(write, place)),
            self.o_running.eq(self.o_phase != Phase.IDLE),
        ]
        with m.If(self.i_acquire):
            m.d.sync += self.o_acquired.eq(1)
        with m.If(self.o_running & self.i_commit):
            m.d.comb += [self.o_answered.eq(1), self.o_refused.eq(1)]
            m.d.sync += self.o_refusal.eq(Refusal.BUSY)
        with m.FSM():
            self._commit(m, write)
            self._run(m)
        return m

    def _commit(self, m, write):
        """Accept a job, or say why not; what it moves is checked by the mover."""
        job = self.i_job
        with m.State("Idle"):
            with m.If(self.i_commit):
                with m.If(self.o_acquired):
                    m.d.comb += self.o_load.eq(1)
                    m.next = "See-Output"
                with m.Else():
                    self._refuse(m, Refusal.NOT_ACQUIRED)
        with m.State("See-Output"):
            m.next = "Check-Output"
        with m.State("Check-Output"):
            m.d.comb += [write.eq(1), self.o_load.eq(1)]
            m.next = "See-Input"
            with m.If(~self.i_fits):
                self._refuse(m, Refusal.OUTPUT)
            if not self.streams:
                with m.Elif(job.stream):
                    self._refuse(m, Refusal.STREAM)
        with m.State("See-Input"):
            m.next = "Check-Input"
        with m.State("Check-Input"):
            with m.If(~self.i_fits):
                self._refuse(m, Refusal.INPUT)
            with m.Else():
                m.d.comb += [self.o_answered.eq(1), self.o_go.eq(1)]
                m.d.sync += self.o_refusal.eq(Refusal.NONE)
                m.next = "Input"

    def _refuse(self, m, reason):
        m.d.comb += [self.o_answered.eq(1), self.o_refused.eq(1)]
        m.d.sync += self.o_refusal.eq(reason)
        m.next = "Idle"

    def _run(self, m):
        """Input, run and output, each of which a job may be without."""
        with m.State("Input"):
            m.d.comb += self.o_phase.eq(Phase.INPUT)
            with m.If(self.i_idle):
                m.d.comb += self.o_load.eq(1)
                m.next = "Output-First"
                with m.If(self.i_job.limit != 0):
                    m.d.comb += self.o_start.eq(1)
                    m.next = "Run"
        with m.State("Run"):
            m.d.comb += self.o_phase.eq(Phase.RUN)
            with m.If(~self.i_busy):
                m.next = "Output-First"
                with m.If(self.i_fault):
                    m.d.comb += self.o_faulty.eq(1)
                    self._finish(m)
        with m.State("Output-First"):
            m.d.comb += [
                self.o_phase.eq(Phase.OUTPUT), self.o_go.eq(1),
                self.o_output.eq(self.i_job.output.words != 0),
            ]
            m.next = "Output"
        with m.State("Output"):
            m.d.comb += self.o_phase.eq(Phase.OUTPUT)
            with m.If(self.i_idle):
                self._finish(m)

    def _finish(self, m):
        m.d.comb += self.o_done.eq(1)
        m.d.sync += self.o_acquired.eq(0)
        m.next = "Idle"
