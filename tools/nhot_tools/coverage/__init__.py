"""How much of the code the tests run, and how many bits of the engine's Verilog ever change."""
