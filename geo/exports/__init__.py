"""Sites out to files: GeoJSON, CSV, XLSX, GeoPackage and FlatGeobuf, streamed from a server-side cursor."""
