"""What is sent and answered, as clients see it. Names are part of the contract (/openapi.json)."""
