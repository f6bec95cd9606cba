// breaks: log-imports-only-node no-undeclared-package
import 'fastify'
