#!/bin/sh
# One backup of the store, without its keys; those older than DAYS are removed. Called by riskmodel-backup.service.
set -eu
folder=${1:?which folder} days=${2:?for how many days}
/srv/riskmodel/current/bin/riskmodel store backup "$folder/store-$(date +%F).zip"
find "$folder" -maxdepth 1 -name 'store-*.zip' -mtime "+$days" -delete
