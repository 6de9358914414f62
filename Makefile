# Everything runs in .venv, made from the locked requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m tests.lab
WORKERS ?= 3

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.locked: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, found $$($(PYTHON) --version)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "python: installing the locked packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@touch $@

.PHONY: venv
venv: $(VENV)/.locked ## Install the locked packages into .venv

policies/.venv/.locked: policies/requirements.txt
	@echo "python: installing the policies' locked packages into policies/.venv"
	@$(PYTHON) -m venv policies/.venv
	@policies/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement policies/requirements.txt
	@touch $@

.PHONY: policies
policies: policies/.venv/.locked ## Install what the policy pack needs into policies/.venv

# BASE is the revision to compare with, REPORT a file for the previews as Markdown, STACKS names stacks instead.
.PHONY: preview-stacks
preview-stacks: venv policies ## Preview each stack that the commits since BASE touch; no host is reached
	@$(BIN)/python -m review preview $(if $(BASE),--base "$(BASE)") $(if $(REPORT),--report "$(REPORT)") $(STACKS)

.PHONY: deploy-stacks
deploy-stacks: venv policies ## Bring all STACKS up to date, one after the other
	@$(BIN)/python -m review deploy $(STACKS)

.PHONY: drift
drift: venv ## Say what on the hosts of all STACKS is not as declared
	@$(BIN)/python -m review drift $(STACKS)

.PHONY: drill
drill: venv ## Restore the newest backup of STACK beside the registry on its host, verify it, and remove it
	@$(BIN)/python -m review drill $(STACK)

.PHONY: repair
repair: venv ## Let the next up mend what on the hosts of all STACKS is not as declared
	@$(BIN)/python -m review drift --repair $(STACKS)

# SUITE is the host's release (bookworm, trixie; jammy, noble), LOGIN who logs in there (root; deploy, who uses sudo).
.PHONY: demo
demo: venv ## Make a registry on a throw-away lab host and use it; the host stays
	@$(LAB) demo $(if $(SUITE),--suite "$(SUITE)") $(if $(LOGIN),--login "$(LOGIN)")

.PHONY: demos
demos: venv ## The demo on hosts of each Debian release, as root and as a user with sudo; nothing stays
	@$(LAB) demos

.PHONY: demo-down
demo-down: venv ## Remove what the demo made
	@$(LAB) demo-down

.PHONY: test
test: venv ## Lint, types, all that needs no lab, and each promise once in the lab, shared by WORKERS processes
	@$(MAKE) --no-print-directory lint & \
	$(BIN)/python -m pytest -m "not nightly" --numprocesses $(WORKERS); tests=$$?; \
	wait $$! || { echo "lint failed: see above"; exit 1; }; exit $$tests

.PHONY: test-all
test-all: venv ## All tests with all their examples; then the object store, backups and buildx, which are built first
	@$(MAKE) --no-print-directory lint
	@EXAMPLES=all $(BIN)/python -m pytest --numprocesses $(WORKERS)
	@$(MAKE) --no-print-directory test-objects test-backup test-buildx

.PHONY: quick
quick: venv ## Lint, types, and the tests that need no lab, shared by two processes
	@$(MAKE) --no-print-directory lint & \
	$(BIN)/python -m pytest -m "not e2e and not nightly" --numprocesses 2; tests=$$?; \
	wait $$! || { echo "lint failed: see above"; exit 1; }; exit $$tests

.PHONY: test-host
test-host: venv ## The tests of what touches a host, on one of the release SUITE (bookworm, jammy, noble)
	@LAB_SUITE="$(SUITE)" $(BIN)/python -m pytest tests/e2e/test_first_up.py tests/e2e/test_acme.py tests/e2e/test_other_release.py

.PHONY: test-buildx
test-buildx: venv ## docker buildx and BuildKit as clients of the lab's registry; they are built first
	@$(BIN)/python -m pytest -s tests/e2e/buildx_client.py

.PHONY: test-objects
test-objects: venv ## Two hosts whose images lie in one object store; that is built first, which takes a quarter of an hour
	@$(BIN)/python -m pytest -s tests/e2e/on_object_store*.py

.PHONY: test-moving
test-moving: venv ## Images move to an object store and back, under load; MOVED megabytes of them (200)
	@MOVED_MEGABYTES=$(or $(MOVED),200) $(BIN)/python -m pytest -s tests/e2e/on_object_store_moving.py

.PHONY: test-backup
test-backup: venv ## ROUNDS backups (20) beside everything else in the lab, each restored on an empty host; a host that is lost
	@BACKUP_ROUNDS=$(or $(ROUNDS),20) $(BIN)/python -m pytest -s tests/e2e/test_backup.py

# With SHARED=1 layers share room, and the repository's content has none: more of them have room than the disk has.
.PHONY: backup-speed
backup-speed: venv ## Measure a backup of TAGS images (12000) whose blobs have BLOB bytes on average (600), the next one, restoring, and a plain copy
	@SHARED=$(SHARED) PYTHONPATH=rootfs/usr/local/lib/docker-registry $(BIN)/python -m tests.backup_speed $(or $(TAGS),12000) $(or $(BLOB),600) $(IMAGES)

.PHONY: metrics-load
metrics-load: venv ## Compare the metrics with what clients count of REQUESTS (10,000), with the fast path and without
	@REQUESTS="$(or $(REQUESTS),10000)" $(BIN)/python -m pytest -s tests/e2e/test_metrics_load.py

.PHONY: oracle
oracle: venv ## Try clean-up, deletion and undoing on 20,000 random storages, or on COUNT from FIRST on; KIND=objects: buckets
	@PYTHONPATH=rootfs/usr/local/lib/docker-registry $(BIN)/python -m tests.storage_oracle $(or $(FIRST),0) $(or $(COUNT),20000) $(KIND)

.PHONY: rights
rights: venv ## Try rights, catalogues and immutable tags at the real proxy, COUNT (10,000) of each kind, from world FIRST on
	@FIRST="$(FIRST)" COUNT="$(or $(COUNT),10000)" $(BIN)/python -m pytest -s tests/rendering/test_rights_property.py

.PHONY: lint
lint: venv ## Format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy --python-version 3.10 rootfs/usr/local/lib/docker-registry/registryctl

.PHONY: format
format: venv ## Put the code into form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: audit
audit: venv ## Print owner and mode of the demo host's files
	@$(LAB) audit

.bench/.locked: requirements-bench.txt
	@echo "python: installing the benchmarks' locked packages into .bench"
	@$(PYTHON) -m venv .bench
	@.bench/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-bench.txt
	@touch $@

.PHONY: bench
bench: venv .bench/.locked ## Measure the program beside what one would pick instead, or only some PARTS of that
	@$(BIN)/python -m bench $(PARTS)

.PHONY: lab-start lab-show lab-stop lab-remove
lab-start: venv ## Start a lab with a blank host
	@$(LAB) start $(if $(SUITE),--suite "$(SUITE)")
lab-show: venv ## Show what the lab has
	@$(LAB) show
lab-stop: venv ## Stop the lab; its hosts keep their disks
	@$(LAB) stop
lab-remove: venv ## Remove the lab
	@$(LAB) remove

.PHONY: schema
schema: venv ## Write config/schema.json and docs/settings.md anew from the settings
	@$(BIN)/python -m config.schema
	@$(BIN)/python -m config.manual

.mutation/.locked: requirements-mutation.txt
	@$(PYTHON) -m venv .mutation
	@.mutation/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-mutation.txt
	@touch $@

.PHONY: mutation
mutation: .mutation/.locked ## Put faults into the code (PACKAGE=registryctl: the tools') for MINUTES, one at a time, and count those that tests notice
	@PACKAGE="$(PACKAGE)" MODULES="$(MODULES)" MINUTES="$(MINUTES)" JOBS="$(JOBS)" .mutation/bin/python -m tests.mutation

.PHONY: dashboard
dashboard: venv ## Write monitoring/dashboard.json anew from its code
	@$(BIN)/python -m monitoring.dashboard

.PHONY: dashboard-picture
dashboard-picture: venv ## Draw docs/pictures/dashboard.svg from what a Prometheus sees in the lab
	@$(BIN)/python -m pytest -s tests/e2e/dashboard_picture.py

.PHONY: snapshot
snapshot: venv ## Record the example stack's resources, and the diagram, as they are now
	@$(BIN)/python -m tests.unit.graph

.PHONY: lock
lock: venv ## Lock the requirements anew (needs uv)
	@for set in requirements requirements-dev requirements-mutation requirements-bench policies/requirements; do \
		uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
			--no-annotate --no-header $$set.in --output-file $$set.txt; \
	done
