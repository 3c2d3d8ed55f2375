"""Review in Label Studio: the server, what people are asked, what they answer, and how the answers come back."""
