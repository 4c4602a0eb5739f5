# Where everything goes, and what is made of the whole: a tarball and a Debian
# package.  Every name may have a blank in it.
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share
VERSION    := $(shell sed -n 's/.*IPCLAB_VERSION "\(.*\)"/\1/p' \
              harness/core/version.h)

places := $(foreach v,O PREFIX DESTDIR BINDIR LIBDIR INCLUDEDIR DATADIR VERSION, \
          $v=$(call quoted,$($v)))
OBJCOPY    ?= $(CROSS)objcopy
install.sh = $(places) OBJCOPY=$(call quoted,$(OBJCOPY)) harness/packaging/install.sh

.PHONY: pages install uninstall dist deb
pages: programs ## write the manual pages into build/release/man
	@harness/packaging/pages.sh $(call quoted,$O) $(call quoted,$O/man)
install: programs ## programs, pages, library, units: PREFIX, DESTDIR
	@$(install.sh) install $(notdir $(BIN))
uninstall: ## take them out again
	@$(install.sh) uninstall $(notdir $(BIN))
dist: ## build/ipclab-VERSION.tar.gz: what is committed
	@VERSION=$(VERSION) harness/packaging/dist.sh
deb: ## build/deb/*.deb: Debian packages of what is committed
	@VERSION=$(VERSION) harness/packaging/deb.sh
