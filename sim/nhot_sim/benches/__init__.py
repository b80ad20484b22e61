"""cocotb benches (tb_*), each with what it drives its component with."""
