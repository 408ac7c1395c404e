#!/bin/sh
# The riskmodel command as the service's own user, with what its units are told. For root, as /usr/local/sbin/riskmodel.
set -eu
set -a
. /etc/riskmodel/riskmodel.env
. /etc/riskmodel/secrets.env
set +a
cd /var/lib/riskmodel
exec runuser -u riskmodel -- /srv/riskmodel/current/bin/riskmodel --by "${SUDO_USER:-root}" "$@"
