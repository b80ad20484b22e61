"""What a machine has, what it lacks, what is in the way of a board, and the cure of each."""

from nhot.doctor.adapters import SerialPort, serial_ports
from nhot.doctor.findings import Check, Finding, Problem
from nhot.doctor.system import System
from nhot.doctor.tools import find_tools
from nhot.doctor.usb import programmers

__all__ = ["Check", "Finding", "Problem", "SerialPort", "System", "find_tools", "programmers",
           "serial_ports"]
