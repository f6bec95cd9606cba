// breaks: pino-stays-home no-undeclared-package
import 'pino'
