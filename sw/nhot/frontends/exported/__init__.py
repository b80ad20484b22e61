"""Programs of torch.export (``.pt2``): read without running anything that is in them."""
