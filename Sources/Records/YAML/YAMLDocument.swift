/// The first document of a YAML file as a flat list of nodes, in the order they stand, over one buffer of text.
///
/// Like Traefik's reader it looks at no second document. An alias refers to the node it names and is never copied out, so that
/// aliases of aliases cost nothing.
///
/// A class, because every node that is looked at carries its document along.
package final class YAMLDocument: Sendable {
  package struct Node {
    package enum NodeKind {
      /// A scalar without quotes or tag, to which YAML may give another type than string.
      case plain
      case string
      case sequence
      case mapping
      case alias
    }

    /// The types that a document can ask for by name (yaml.org/type) and that Traefik's reader then insists on.
    package enum Tag {
      case null, bool, int, float, timestamp, binary
      /// A name that it takes for a string.
      case other
    }

    package let kind: NodeKind
    package let tag: Tag?
    /// From 1.
    package let line: Int
    /// A scalar's place in the buffer.
    package let text: Range<Int>
    /// The index after the last node inside this one.
    package var end: Int
    /// The index of the node an alias stands for.
    package let target: Int

    package var isScalar: Bool { kind == .plain || kind == .string }
  }

  package let nodes: [Node]
  package let text: [UInt8]

  package init(nodes: [Node], text: [UInt8]) {
    self.nodes = nodes
    self.text = text
  }

  /// Its root mapping.
  package var root: YAMLNode { YAMLNode(self, 0) }

  package func text(_ node: Node) -> String { String(decoding: text[node.text], as: UTF8.self) }

  /// The index of the node itself, where an alias is only another name of it.
  package func resolved(_ index: Int) -> Int { nodes[index].kind == .alias ? nodes[index].target : index }
}
