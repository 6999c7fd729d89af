"""What moto's Step Functions lack: time that passes faster, roles that are asked, child workflows, redrive."""
