"""What several calls about persons share: settling requests, who looked."""
