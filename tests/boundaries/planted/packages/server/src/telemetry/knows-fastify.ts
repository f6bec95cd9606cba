// breaks: fastify-stays-home no-undeclared-package
import 'fastify'
