"""What people open: panels, demo, benchmark, study, pages of the paper."""
