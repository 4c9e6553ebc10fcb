"""Tables, figures and examples."""
