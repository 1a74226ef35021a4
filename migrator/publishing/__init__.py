"""What strategies share: numbers, names, places, Services, and the reasons that changes carry."""
