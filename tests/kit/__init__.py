"""What the tests share: leak detection, processes, ports, sound and database servers of their own."""
