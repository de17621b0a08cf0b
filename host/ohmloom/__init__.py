"""ohmloom: train, map, program and run neural networks on memristor crossbars."""
