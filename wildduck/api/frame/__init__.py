"""What every call of the API goes through: parameters, access, routes, answers, OpenAPI."""
