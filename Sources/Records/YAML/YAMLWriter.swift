import CLibYAML

/// Writes one YAML document with libyaml's emitter: block style, keys in the order they come, strings quoted where they must be.
///
/// A class, so that the closures that nest with the document can share it.
package final class YAMLWriter {
  private let emitter: UnsafeMutablePointer<yaml_emitter_t>
  private let output: UnsafeMutablePointer<[UInt8]>

  /// The bytes of the document whose root mapping has the fields that `fields` writes.
  package static func document(_ fields: (YAMLWriter) -> Void) -> [UInt8] {
    let writer = YAMLWriter()
    writer.emit { yaml_stream_start_event_initialize(&$0, YAML_UTF8_ENCODING) }
    writer.emit { yaml_document_start_event_initialize(&$0, nil, nil, nil, 1) }
    writer.mapping { fields(writer) }
    writer.emit { yaml_document_end_event_initialize(&$0, 1) }
    writer.emit { yaml_stream_end_event_initialize(&$0) }
    return writer.output.pointee
  }

  private init() {
    emitter = .allocate(capacity: 1)
    output = .allocate(capacity: 1)
    output.initialize(to: [])
    output.pointee.reserveCapacity(512)
    precondition(yaml_emitter_initialize(emitter) == 1, "out of memory")
    yaml_emitter_set_output(
      emitter,
      { output, bytes, count in
        output!.assumingMemoryBound(to: [UInt8].self).pointee.append(
          contentsOf: UnsafeBufferPointer(start: bytes, count: count))
        return 1
      },
      output)
    yaml_emitter_set_unicode(emitter, 1)
    yaml_emitter_set_width(emitter, -1)
  }

  deinit {
    yaml_emitter_delete(emitter)
    emitter.deallocate()
    output.deinitialize(count: 1)
    output.deallocate()
  }

  package func mapping(_ key: String, _ fields: () -> Void) {
    text(key)
    mapping(fields)
  }

  package func mapping(_ fields: () -> Void) {
    emit { yaml_mapping_start_event_initialize(&$0, nil, nil, 1, YAML_BLOCK_MAPPING_STYLE) }
    fields()
    emit { yaml_mapping_end_event_initialize(&$0) }
  }

  package func sequence(_ key: String, _ elements: () -> Void) {
    text(key)
    sequence(elements)
  }

  package func sequence(_ elements: () -> Void) {
    emit { yaml_sequence_start_event_initialize(&$0, nil, nil, 1, YAML_BLOCK_SEQUENCE_STYLE) }
    elements()
    emit { yaml_sequence_end_event_initialize(&$0) }
  }

  package func field(_ key: String, _ value: String) {
    text(key)
    text(value)
  }

  package func field(_ key: String, _ value: Bool) {
    text(key)
    plain(value ? "true" : "false")
  }

  package func field(_ key: String, _ value: Int) {
    text(key)
    plain("\(value)")
  }

  /// A number or a truth value.
  package func plain(_ text: String) {
    scalar(text, YAML_PLAIN_SCALAR_STYLE)
  }

  package func text(_ text: String) {
    let mustQuote = PlainScalar.isAmbiguous(text.utf8)
    scalar(text, mustQuote ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE)
  }

  private func scalar(_ text: String, _ style: yaml_scalar_style_t) {
    var text = text
    text.withUTF8 { bytes in
      emit { yaml_scalar_event_initialize(&$0, nil, nil, bytes.baseAddress, Int32(bytes.count), 1, 1, style) }
    }
  }

  /// With events in the order of a document, and strings that are UTF-8, libyaml fails only where memory cannot be had.
  private func emit(_ initialize: (inout yaml_event_t) -> Int32) {
    var event = yaml_event_t()
    precondition(initialize(&event) == 1 && yaml_emitter_emit(emitter, &event) == 1, "out of memory")
  }
}
