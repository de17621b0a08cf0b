"""An emulated memristor chip behind the controller's serial protocol."""
