"""The ground on which real containers are tested."""
