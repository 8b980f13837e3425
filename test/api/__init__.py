"""Tests of the API: an answer that does not fit its schema is an error here."""

from wildduck.api.frame.application import Application

Application.strict_answers = True
