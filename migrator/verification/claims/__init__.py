"""What is proven, one kind of claim a file; `../claims.yaml` lists them."""
