#!/bin/sh
# Installs the distribution's RabbitMQ, for the private node that `make up` and `make test` start from it.
# Does nothing where it is installed already, or where PERPS_DMA_AMQP_URL names another RabbitMQ.
set -eu

[ -z "${PERPS_DMA_AMQP_URL:-}" ] || exit 0
for script in "${RABBITMQ_HOME:-}/sbin/rabbitmq-server" /usr/lib/rabbitmq/bin/rabbitmq-server /opt/rabbitmq/sbin/rabbitmq-server; do
    [ ! -x "$script" ] || exit 0
done
! command -v rabbitmq-server >/dev/null || exit 0

if ! "$(dirname "$0")/install-packages.sh" rabbitmq-server; then
    echo 'Without rabbitmq-server, set PERPS_DMA_AMQP_URL=amqp://user:password@host:5672/ to a RabbitMQ of yours.' >&2
    exit 1
fi

if command -v systemctl >/dev/null && systemctl --quiet is-active rabbitmq-server 2>/dev/null; then
    echo 'note: the package has started a RabbitMQ of its own as a service. Perps DMA does not use it;'
    echo '      if you do not either: systemctl disable --now rabbitmq-server'
fi
