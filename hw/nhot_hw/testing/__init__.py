"""What tests of gateware share: stand-ins for engines, and parts from a few words."""
