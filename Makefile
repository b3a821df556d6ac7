# A thin alias for those who type make; dev.py is the real thing.
up test check bench docs test-all:
	python3 dev.py $@
.PHONY: up test check bench docs test-all
