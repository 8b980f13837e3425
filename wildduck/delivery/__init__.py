"""What happens to an incoming message for one recipient (floor 4)."""

from wildduck.delivery.delivery import Delivery
from wildduck.delivery.values import Delivered, Destination, Envelope

__all__ = ["Delivered", "Delivery", "Destination", "Envelope"]
