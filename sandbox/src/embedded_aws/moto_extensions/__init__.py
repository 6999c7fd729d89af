"""What services that moto has lack for a real deployment; `moto_services` holds those that it has not."""
