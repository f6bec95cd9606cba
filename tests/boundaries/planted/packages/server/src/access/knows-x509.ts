// breaks: x509-stays-home no-undeclared-package
import '@peculiar/x509'
