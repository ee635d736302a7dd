"""Many conversations for minutes, while workers and gateways are killed and a platform fails."""
