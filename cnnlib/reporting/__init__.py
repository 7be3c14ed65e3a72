"""What people see: progress while it runs, TensorBoard, tables, and the page that compares."""
