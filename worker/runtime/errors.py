"""The root of what this program raises on purpose; whatever else is raised is a fault.

PerpsDmaError
├── OperatorError     a person can mend it: the command line says it in one line       (drawn below)
├── ExecutionError    a message is not carried out as it was meant to be               (drawn below)
├── VenueError        a venue, or the way to it, answers something but success         (worker.venues.port.errors)
├── Defect            a rule of our own was about to be broken, and nothing was done
└── SandboxRefusal    a stand-in venue refuses a request, as the venue would           (worker.sandbox)

OperatorError
├── ConfigurationError    a setting, or something it names, is missing or wrong
│   ├── RegistryError         the account registry can't be read as it stands
│   ├── SealingError          sealed credentials can't be opened, or not be sealed
│   ├── CertificateProblem    a certificate, a key or who vouches for it
│   └── UnknownLimit          a limit is granted that the venue does not have
├── BrokerUnavailable     no RabbitMQ of our own can be run here
├── TopologyRefused       the broker has queues or exchanges that are not ours, or gives no right to them
├── LettersUnavailable    the dead letters can't be read
├── UnknownLetter         no dead letter is known by an id, or several are
├── ServiceAway           the server of tools can't reach the service, or lost its answer
├── ArchiveUnreadable     a file is no archive of the audit
├── WorkerRefused         a worker answers a question of the command line with an error
├── UpFailed              what `up` runs together can't be started
├── ChildFailed           a program that was started here has ended, or never began
└── LedgerError           the ledger                                                   (worker.ledger.sql.errors)

ExecutionError
├── RequestRejected       refused on receipt; nothing was sent anywhere
├── Expired               the deadline passed before anything was sent
├── Frozen                an admin has forbidden changes
├── GuardrailBroken       a guardrail of the account, or of the sender's token, forbids it
├── TakenOver             another worker has the command, and tells how it ended
├── RecordGone            the ledger knew a command, and knows it no more
├── ShuttingDown          the worker stops, and begins nothing more
├── NotPublished          the broker did not confirm that it has a message
├── BusError              asking a worker over the bus                                 (worker.bus.rpc)
├── LogUnavailable        the stream of events can't be read
├── KeysUnavailable       there are no keys yet that tokens could be checked with
└── HttpRefusal           a request over HTTP is refused in the documented envelope
"""


class PerpsDmaError(Exception):
    """Base of what this program raises on purpose."""


class OperatorError(PerpsDmaError):
    """A person can mend it. The message says what is wrong and what to do, and holds no secret."""


class ConfigurationError(OperatorError):
    """A setting, or something it names, is missing or wrong; the message says what to do."""


class ExecutionError(PerpsDmaError):
    """A message is not carried out as it was meant to be."""


class Defect(PerpsDmaError):
    """A rule of our own was about to be broken; what would have broken it was not done."""
