"""One public function a verb."""
