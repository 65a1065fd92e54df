"""What is needed to run Reelwire elsewhere, and to prove that it runs there."""
