"""``nhot doctor`` on a machine that is a folder: adapters, their latency, and who may use them."""

from __future__ import annotations

import json

import pytest

from nhot.cli import doctor, main
from nhot.doctor import Finding, System, find_tools, programmers, serial_ports, tools


class Machine:
    """Folders of a kernel under ``root``; devices in ``shut`` may not be used."""

    def __init__(self, root):
        self.root = root
        self.shut = set()
        self.groups = {}
        for name in ("sys/class/tty", "sys/bus/usb/devices", "dev"):
            (root / name).mkdir(parents=True)

    @property
    def system(self):
        return System(self.root, lambda path: str(path) not in self.shut,
                      lambda path: self.groups.get(path.name, ""))

    def usb(self, name, usb, *, interfaces=1, **files):
        """An adapter; its folder."""
        folder = self.root / "sys/devices/pci/usb1" / name
        folder.mkdir(parents=True)
        vendor, product = usb.split(":")
        files = {"idVendor": vendor, "idProduct": product, "bNumInterfaces": f" {interfaces}",
                 "busnum": 1, "devnum": 7, **files}
        for key, value in files.items():
            (folder / key).write_text(f"{value}\n", encoding="utf-8")
        (self.root / "sys/bus/usb/devices" / name).symlink_to(folder)
        return folder

    def interface(self, usb, number):
        folder = usb / f"{usb.name}:1.{number}"
        folder.mkdir()
        (folder / "bInterfaceNumber").write_text(f"{number:02x}\n", encoding="utf-8")
        return folder

    def tty(self, name, place, latency=None):
        """A serial port, as the kernel has those of FTDI (a folder) and of ACM (the interface)."""
        if name.startswith("ttyUSB"):
            place = place / name
            place.mkdir()
        if latency is not None:
            (place / "latency_timer").write_text(f"{latency}\n", encoding="utf-8")
        entry = place / "tty" / name
        entry.mkdir(parents=True)
        (entry / "device").symlink_to(place)
        (self.root / "sys/class/tty" / name).symlink_to(entry)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def icebreaker(machine):
    """An FT2232H, both of whose channels the kernel takes for serial ports."""
    usb = machine.usb("1-2", "0403:6010", interfaces=2, manufacturer="1BitSquared",
                      product="iCEBreaker V1.0e")
    for number in (0, 1):
        machine.tty(f"ttyUSB{number}", machine.interface(usb, number), latency=16 - 15 * number)
    return machine


def test_ports_of_an_adapter_with_two(icebreaker):
    first, second = serial_ports(icebreaker.system)
    assert (first.port, first.interface, first.latency_ms) == ("/dev/ttyUSB0", 0, 16)
    assert (second.port, second.interface, second.latency_ms) == ("/dev/ttyUSB1", 1, 1)
    assert {one.description for one in (first, second)} == {"1BitSquared iCEBreaker V1.0e"}
    assert {one.usb for one in (first, second)} == {"0403:6010"}
    assert {one.access for one in (first, second)} == {"yes"}
    assert second.problems == ()
    (problem,) = first.problems
    assert "for 16 ms" in problem.what
    assert problem.cure.startswith(
        "echo 1 | sudo tee /sys/bus/usb-serial/devices/ttyUSB0/latency_timer")
    assert not problem.serious


def test_a_port_of_another_driver_has_no_latency(machine):
    usb = machine.usb("3-1", "1d50:602b", product="iCELink")
    machine.tty("ttyACM10", machine.interface(usb, 2))
    machine.tty("ttyACM9", machine.interface(usb, 4))
    ninth, tenth = serial_ports(machine.system)
    assert (ninth.port, tenth.port) == ("/dev/ttyACM9", "/dev/ttyACM10")
    assert (ninth.latency_ms, ninth.interface, ninth.description) == (None, None, "iCELink")


def test_other_terminals_are_no_ports(machine):
    for name in ("tty0", "ttyS0", "ptmx", "ttyUSB"):
        (machine.root / "sys/class/tty" / name).mkdir()
    lonely = machine.root / "sys/class/tty/ttyUSB5"
    (lonely / "device").mkdir(parents=True)
    assert serial_ports(machine.system) == []


@pytest.mark.parametrize(("group", "cure"), [
    ("dialout", "sudo usermod -aG dialout $USER, then log in again"),
    ("uucp", "sudo usermod -aG uucp $USER, then log in again"),
    ("root", "/etc/udev/rules.d/60-serial.rules"), ("", "/etc/udev/rules.d/60-serial.rules"),
])
def test_a_port_that_may_not_be_used(icebreaker, group, cure):
    icebreaker.shut = {str(icebreaker.root / "dev/ttyUSB1")}
    icebreaker.groups = {"ttyUSB1": group}
    first, second = serial_ports(icebreaker.system)
    assert (first.access, second.access) == ("yes", "no")
    (problem,) = second.problems
    assert problem.serious
    assert problem.what == "you may not read and write it"
    assert cure in problem.cure


@pytest.mark.parametrize("text", ["", "many", "-3"])
def test_a_kernel_that_says_something_else(machine, text):
    usb = machine.usb("1-1", "0403:6015", bNumInterfaces=text)
    machine.tty("ttyUSB0", machine.interface(usb, 0), latency=text)
    (port,) = serial_ports(machine.system)
    assert (port.latency_ms, port.problems) == (None, ())


def test_the_adapter_itself_must_be_open_for_bitstreams(icebreaker):
    (check,) = programmers(icebreaker.system)
    assert check.name == "USB adapter FT2232H"
    assert check.state == "iCEBreaker V1.0e (bus 1, device 7)"
    assert check.problems == ()
    icebreaker.shut = {str(icebreaker.root / "dev/bus/usb/001/007")}
    (check,) = programmers(icebreaker.system)
    (problem,) = check.problems
    assert problem.serious
    assert 'ATTR{idVendor}=="0403", ATTR{idProduct}=="6010"' in problem.cure
    assert "udevadm control --reload" in problem.cure


def test_other_devices_are_no_adapters(machine):
    machine.usb("1-5", "046d:c31c", product="keyboard")
    machine.usb("1-6", "0403:6010", devnum="")
    assert programmers(machine.system) == []


def everything_there(monkeypatch):
    monkeypatch.setattr(doctor, "find_tools", lambda: [
        Finding(name="python", version="3", purpose="all", remedy="")])
    monkeypatch.setattr(doctor, "_more_checks", list)


def test_what_is_printed_and_the_exit_code(icebreaker, monkeypatch, capsys):
    everything_there(monkeypatch)
    monkeypatch.setattr(doctor, "SYSTEM", icebreaker.system)
    assert main(["doctor", "--strict"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ("serial port /dev/ttyUSB1: 1BitSquared iCEBreaker V1.0e (0403:6010, interface 1)"
            in lines)
    assert any(line.startswith("  .. it holds bytes back for 16 ms") for line in lines)
    assert lines[-1] == "nothing is missing"
    icebreaker.shut = {str(icebreaker.root / "dev/ttyUSB1")}
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "in the way: 1 problem (!! above)"
    assert any(line.startswith("  !! you may not read and write it: ") for line in lines)
    assert main(["doctor", "--strict", "--json"]) == 3
    facts = json.loads(capsys.readouterr().out)
    assert facts["complete"] is False
    assert [port["access"] for port in facts["ports"]] == ["yes", "no"]
    assert facts["ports"][1]["problems"][0]["serious"] is True
    assert facts["checks"][0]["name"] == "USB adapter FT2232H"


def test_libraries(monkeypatch):
    monkeypatch.setattr(tools, "find_library",
                        lambda name: "libftdi1.so.2" if name == "ftdi1" else None)
    found = {one.name: one for one in find_tools() if one.purpose == "openfpgaloader-cli"}
    assert len(found) == len(tools.LIBRARIES)
    assert found["libftdi1"].version == "present"
    assert found["libusb-1.0"].version == ""
    assert "libusb-1.0-0" in found["libusb-1.0"].remedy
    assert not found["libusb-1.0"].needed
