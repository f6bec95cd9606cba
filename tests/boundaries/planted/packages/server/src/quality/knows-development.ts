// breaks: no-undeclared-package
import 'fast-check'
