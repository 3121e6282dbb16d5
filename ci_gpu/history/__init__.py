"""What is remembered of jobs, and where: one record a job, and stores that all give the same answers."""
