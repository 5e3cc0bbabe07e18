# ruff: noqa: E501
"""A compressed form says what definitions promise: signatures, fields, first lines of documentation."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mellum_lsp
from mellum_lsp.workspace.languages import Language, find_language, language_by_id
from mellum_lsp.workspace.outline import Outline, compress, find_outline, whole_definitions
from mellum_lsp.workspace.parsing import parse

# What remains of a text follows it behind the line of dashes.
GOLDENS = {
    "python": '''
@dataclass
class Basket(Base):
    """
    What one customer buys together.

    At most twenty things.
    """

    # The customer,
    # who pays.
    owner: str
    limits = {
        "a": 1,
        "b": 2,
        "c": 3,
        "d": 4,
    }

    def __init__(self, owner: str) -> None:  # once
        """Open it."""
        super().__init__()
        self.owner = owner
        self.prices: dict[str, int] = load(
            owner,
        )
        register(self)

    @property
    def total(
        self,
    ) -> int:
        return sum(self.prices)

    async def pay(self, card: Card) -> Receipt:
        """Take the money.

        Raises Refused.
        """
        for price in self.prices:
            card.take(price)

    def size(self): return len(self.prices)

def größe(text: str) -> int: return len(text)

def breite(text: str) -> "Größe":
    return max(map(len, text.split()))
--------
@dataclass
class Basket(Base):
    """What one customer buys together."""
    # The customer,
    owner: str
    limits = { ...
    }
    def __init__(self, owner: str) -> None:
        """Open it."""
        self.owner = owner
        self.prices: dict[str, int] = load( ...
    @property
    def total(
        self,
    ) -> int: ...
    async def pay(self, card: Card) -> Receipt:
        """Take the money."""
    def size(self): return len(self.prices)
def größe(text: str) -> int: return len(text)
def breite(text: str) -> "Größe": ...
''',
    "typescript": """
/**
 * What one customer buys.
 * @public
 */
@Component({ selector: "basket" })
export class Basket<T> extends Base implements Paid {
  private readonly prices: Map<string, number> = new Map();

  constructor(private owner: string) {
    super();
  }

  /** All of it. */
  get total(): number {
    return sum(this.prices);
  }

  add = (price: number): void => {
    this.prices.set("x", price);
  };
}

export interface Paid {
  owner: string;
  pay(card: Card): Promise<Receipt>;
}

export const send = async (url: string): Promise<void> => {
  await fetch(url);
};
--------
/** What one customer buys. */
@Component({ selector: "basket" })
export class Basket<T> extends Base implements Paid {
  private readonly prices: Map<string, number> = new Map();
  constructor(private owner: string);
  /** All of it. */
  get total(): number;
  add = (price: number): void => { ... };
}
export interface Paid {
  owner: string;
  pay(card: Card): Promise<Receipt>;
}
export const send = async (url: string): Promise<void> => { ... };
""",
    "javascript": """
class Basket {
  constructor(owner) {
    super();
    this.owner = owner;
    register(this);
    this.prices = [];
    done();
  }

  total() {
    return 1;
  }
}
module.exports = function (app) {
  app.use();
};
--------
class Basket {
  constructor(owner) {
    this.owner = owner;
    this.prices = [];
  }
  total();
}
module.exports = function (app) { ... };
""",
    "java": """
/**
 * What one customer buys.
 */
@Entity
public class Basket<T> extends Base {
  private int limit = 3;

  static {
    register();
  }

  public Basket(int limit) {
    this.limit = limit;
  }

  @Override
  public int total(Rate rate)
      throws Refused {
    return rate.of(1);
  }

  interface Paid {
    int pay();
  }
}
--------
/** What one customer buys. */
@Entity
public class Basket<T> extends Base {
  private int limit = 3;
  public Basket(int limit);
  @Override
  public int total(Rate rate)
      throws Refused;
  interface Paid {
    int pay();
  }
}
""",
    "kotlin": """
/** What one customer buys. */
class Basket(val owner: String) : Base() {
    val limit: Int = 3

    init {
        register()
    }

    constructor(limit: Int) : this("") {
        check(limit)
    }

    fun total(rate: Int): Int {
        return rate
    }

    fun all(): List<Int> =
        prices.map {
            it.value
        }

    companion object {
        fun of(): Basket {
            return Basket("")
        }
    }
}
--------
/** What one customer buys. */
class Basket(val owner: String) : Base() {
    val limit: Int = 3
    constructor(limit: Int) : this("")
    fun total(rate: Int): Int
    fun all(): List<Int>
    companion object {
        fun of(): Basket
    }
}
""",
    "go": """
// Basket is what one customer buys.
// It has a limit.
type Basket struct {
	Owner string // who pays
	limit int
}

type Paid interface {
	Pay(card Card) error
}

// Total adds up.
func (b *Basket) Total(rate int) (int, error) {
	return rate, nil
}
--------
// Basket is what one customer buys.
type Basket struct {
	Owner string // who pays
	limit int
}
type Paid interface {
	Pay(card Card) error
}
// Total adds up.
func (b *Basket) Total(rate int) (int, error)
""",
    "rust": """
/// What one customer buys.
/// It has a limit.
#[derive(Debug)]
pub struct Basket<T> {
    pub owner: T,
}

impl<T> Basket<T> {
    /// Adds up.
    pub fn total(&self) -> i32
    where
        T: Copy,
    {
        1
    }
}

pub trait Paid {
    fn pay(&self);
    fn refuse(&self) {
        panic!()
    }
}
--------
/// What one customer buys.
#[derive(Debug)]
pub struct Basket<T> {
    pub owner: T,
}
impl<T> Basket<T> {
    /// Adds up.
    pub fn total(&self) -> i32
    where
        T: Copy,;
}
pub trait Paid {
    fn pay(&self);
    fn refuse(&self);
}
""",
    "c": """
/* Adds up
   all prices. */
static int total(int rate,
                 int count)
{
  return rate * count;
}

struct basket {
  int limit;
  char *owner;
};
--------
/* Adds up */
static int total(int rate,
                 int count);
struct basket {
  int limit;
  char *owner;
};
""",
    "cpp": """
namespace shop {
/// What one customer buys.
template <typename T>
class Basket : public Base {
 public:
  explicit Basket(int limit) : limit_(limit) {
    register_it(this);
  }
  virtual int total() const override {
    return 1;
  }

 private:
  int limit_;
};

int Basket::pay(Card card) {
  return card.take();
}
}  // namespace shop
--------
namespace shop {
/// What one customer buys.
template <typename T>
class Basket : public Base {
 public:
  explicit Basket(int limit) : limit_(limit);
  virtual int total() const override;
 private:
  int limit_;
};
int Basket::pay(Card card);
}  // namespace shop
""",
    "csharp": """
public class Basket : Base {
  public int Limit { get; set; }
  public Basket(int limit) : base(limit) {
    Register();
  }
  public int Total(int rate)
  {
    return rate;
  }
}
--------
public class Basket : Base {
  public int Limit { get; set; }
  public Basket(int limit) : base(limit);
  public int Total(int rate);
}
""",
    "ruby": """
# What one customer buys.
class Basket < Base
  attr_reader :prices

  def initialize(owner)
    super()
    @owner = owner
    register
  end

  def self.of(owner)
    new(owner)
  end
end
--------
# What one customer buys.
class Basket < Base
  attr_reader :prices
  def initialize(owner)
    @owner = owner
  end
  def self.of(owner)
end
""",
    "php": """
<?php
class Basket extends Base {
  private $limit = 1;
  public function total(int $rate): int {
    return $rate;
  }
}
--------
<?php
class Basket extends Base {
  private $limit = 1;
  public function total(int $rate): int;
}
""",
    "swift": """
public struct Basket: Paid {
  var limit: Int
  init(limit: Int) {
    self.limit = limit
  }
  var total: Int {
    return 1
  }
  func pay(card: Card) throws -> Int {
    return 1
  }
}
--------
public struct Basket: Paid {
  var limit: Int
  init(limit: Int)
  var total: Int
  func pay(card: Card) throws -> Int
}
""",
    "scala": """
class Basket(owner: String) extends Base {
  val limit = 1
  def total(rate: Int): Int = {
    rate
  }
}
--------
class Basket(owner: String) extends Base {
  val limit = 1
  def total(rate: Int): Int
}
""",
    "dart": """
class Basket extends Base {
  final int limit;
  Basket(this.limit) {
    register();
  }
  int total(int rate) {
    return rate;
  }
}
--------
class Basket extends Base {
  final int limit;
  Basket(this.limit);
  int total(int rate);
}
""",
    "lua": """
local Basket = {}
function Basket.total(rate)
  return rate
end
Basket.pay = function(card)
  return card
end
--------
local Basket = {}
function Basket.total(rate)
Basket.pay = function(card)
""",
    "elixir": """
defmodule Basket do
  @limit 3

  def total(rate) do
    rate * @limit
  end
end
--------
defmodule Basket do
  @limit 3
  def total(rate)
end
""",
    "shellscript": """
limit=3
total() {
  echo "$limit"
}
--------
limit=3
total()
""",
    "julia": """
function total(rate)
    return rate
end
--------
function total(rate)
""",
    "zig": """
const limit = 3;
pub fn total(rate: i32) i32 {
    return rate;
}
--------
const limit = 3;
pub fn total(rate: i32) i32
""",
}  # fmt: skip


def language(name: str) -> Language:
    found = language_by_id(name)
    assert found is not None
    return found


def outlined(text: str, language: Language | None) -> tuple[list[str], Outline]:
    lines = text.split("\n")
    return lines, find_outline(lines, parse(text, language, 5.0), language)


@pytest.mark.parametrize("name", GOLDENS)
def test_what_remains(name: str) -> None:
    text, _, remains = GOLDENS[name].strip("\n").partition("\n--------\n")
    lines, outline = outlined(text, language(name))
    assert compress(lines, outline, 0, len(lines)) == remains


def test_a_range_takes_in_the_whole_of_a_large_definition_that_begins_in_it() -> None:
    method = "    def method_{n}(self, value):\n" + "        value = compute(value)\n" * 20
    text = (
        "import this\n\n\nclass Large:\n"
        + "".join(method.format(n=number) for number in range(9))
        + "x = 1\n"
    )
    lines, outline = outlined(text, language("python"))
    assert whole_definitions(outline, 0, 5) == lines.index("x = 1")
    assert whole_definitions(outline, 0, 3) == 3
    expected = ["class Large:", *(f"    def method_{n}(self, value): ..." for n in range(9))]
    assert compress(lines, outline, 3, whole_definitions(outline, 3, 6)) == "\n".join(expected)
    inside_a_body = lines.index("    def method_1(self, value):") + 5
    assert compress(lines, outline, inside_a_body, inside_a_body + 30) == expected[3]


def test_data_and_text_without_grammar_are_left_alone() -> None:
    text = '{\n  "function": [\n 1,\n 2,\n 3,\n 4,\n 5\n ]\n}'
    for name in ("json", "markdown"):
        lines, outline = outlined(text, language(name))
        assert outline == Outline()
        assert compress(lines, outline, 0, len(lines)) == "\n".join(lines)


OUR_SOURCES = sorted(Path(mellum_lsp.__file__).parent.rglob("*.py"))[:60]


@pytest.mark.parametrize("path", OUR_SOURCES, ids=lambda path: path.stem)
def test_every_signature_of_real_sources_remains_and_no_body_does(path: Path) -> None:
    text = path.read_text("utf-8")
    lines, outline = outlined(text, find_language(path.name))
    remains = compress(lines, outline, 0, len(lines)).split("\n")
    tree = ast.parse(text)
    scopes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (inner for scope in scopes for inner in scope.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert any(f"def {node.name}(" in line for line in remains)
            body = node.body[1:] if ast.get_docstring(node) else node.body
            for statement in body if node.name != "__init__" else ():
                line = lines[statement.lineno - 1]
                assert line not in remains or lines.count(line) > 1 or statement.lineno == node.lineno


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(OUR_SOURCES), st.data())
def test_what_a_range_gives_stands_in_what_the_file_gives(path: Path, data: st.DataObject) -> None:
    lines, outline = outlined(path.read_text("utf-8"), find_language(path.name))
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    part = compress(lines, outline, start, end)
    assert not part or f"\n{part}\n" in f"\n{compress(lines, outline, 0, len(lines))}\n"


PIECES = st.sampled_from(
    ["def f():", "    return 1", "class A:", "  x = '''", "'''", "}", "{", "/* é💡", " * doc", "*/", "// é", "# 💡 comment",
     "function f() {", "int f(int a) {", "fun f(a: Int) =", "  self.x = 1", "def __init__(self):", "@d", "", "(", ");", "\0", "end",
     '    """', "static {", "é = lambda x: (", "=> {", "impl A {", "\u2028"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(PIECES, max_size=40),
    st.sampled_from(["python", "typescript", "javascript", "java", "kotlin", "rust", "go", "cpp", "ruby", "elixir", "dart"]),
)  # fmt: skip
def test_broken_text_never_fails_and_gains_nothing_but_ellipses(pieces: list[str], name: str) -> None:
    lines, outline = outlined("\n".join(pieces), language(name))
    for cut, following in zip(outline.cuts, outline.cuts[1:], strict=False):
        assert cut.start < cut.end <= following.start
    remains = compress(lines, outline, 0, len(lines))
    assert len(remains) <= len("\n".join(lines)) + 8 * len(outline.cuts)
    assert remains.count("\n") <= len(lines)
