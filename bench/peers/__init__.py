"""Each file carries frames from one process to another its own way.

``NAME`` is its row, ``NEEDS`` what must be importable, ``ECHOES`` whether it can bring frames back.
``consume`` says where it listens, takes frames until the producer has ended, and has the meter report;
``produce`` sends what the load gives, and says where pixels lay. A file without ``consume`` is one process.
"""
