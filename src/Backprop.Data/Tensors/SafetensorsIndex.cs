using System.Collections.Immutable;
using System.Text.Json;
using Backprop.Data.Formats;
using Backprop.Data.Storage;

namespace Backprop.Data.Tensors;

/// <summary>
/// Tensors in several files of safetensors, with a JSON file beside them whose <c>weight_map</c>
/// says which tensor is in which: <c>model.safetensors.index.json</c>, as Hugging Face's tools
/// write it. Files are opened when a tensor of theirs is asked for.
/// </summary>
public sealed class SafetensorsIndex : ITensorFile
{
    /// <summary>What the name of an index ends with.</summary>
    public const string Extension = ".index.json";

    private readonly string _directory;
    private readonly ImmutableDictionary<string, string> _files;
    private readonly Dictionary<string, SafetensorsFile> _opened = new(StringComparer.Ordinal);

    private SafetensorsIndex(
        string path, ImmutableDictionary<string, string> files,
        IReadOnlyDictionary<string, string> metadata)
    {
        Source = path;
        Metadata = metadata;
        _directory = Path.GetDirectoryName(path) ?? "";
        _files = files;
    }

    /// <inheritdoc/>
    public string Source { get; }

    /// <inheritdoc/>
    public IEnumerable<string> Names => _files.Keys;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens an index.</summary>
    /// <exception cref="InvalidDatasetException">There is none, or it is not what it should be.
    /// </exception>
    public static SafetensorsIndex Open(string path)
    {
        using FileStream stream = DataFile.Open(path);
        if (stream.Length > SafetensorsFile.MaxHeaderBytes)
        {
            throw new InvalidDatasetException(
                path, $"it has {stream.Length:N0} bytes",
                $"an index has at most {SafetensorsFile.MaxHeaderBytes:N0}");
        }

        try
        {
            using var document = JsonDocument.Parse(
                stream, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Parse(path, document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException
            or KeyNotFoundException)
        {
            throw new InvalidDatasetException(
                path, $"it is no index: {e.Message}",
                "an index is a JSON object whose weight_map names a file for each tensor",
                cause: e);
        }
    }

    /// <inheritdoc/>
    public TensorEntry? Find(string name) =>
        _files.TryGetValue(name, out string? file) ? FileOf(file).Find(name) : null;

    /// <inheritdoc/>
    public string? Beside(string name) => DataFile.TextBeside(Source, name);

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination) =>
        FileOf(_files[name]).Read(name, destination);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafetensorsFile file in _opened.Values)
        {
            file.Dispose();
        }
    }

    private static SafetensorsIndex Parse(string path, JsonElement root)
    {
        var files = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty property in root.GetProperty("weight_map").EnumerateObject())
        {
            string file = property.Value.GetString() ?? "";
            if (!IsPlainName(file))
            {
                throw new InvalidDatasetException(
                    path, $"tensor {Quotation.Of(property.Name)} is in {Quotation.Of(file)}",
                    "an index names files that lie beside it, without a directory");
            }

            files.Add(property.Name, file);
        }

        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        if (root.TryGetProperty("metadata", out JsonElement texts))
        {
            foreach (JsonProperty text in texts.EnumerateObject())
            {
                metadata.Add(text.Name, text.Value.ToString());
            }
        }

        return new SafetensorsIndex(path, files.ToImmutable(), metadata);
    }

    // Whoever wrote the index must not have other files of this machine read.
    private static bool IsPlainName(string file) =>
        file.EndsWith(".safetensors", StringComparison.Ordinal)
        && file.IndexOfAny(['/', '\\', ':', '\0']) < 0;

    private SafetensorsFile FileOf(string file)
    {
        if (!_opened.TryGetValue(file, out SafetensorsFile? opened))
        {
            opened = SafetensorsFile.Open(Path.Combine(_directory, file));
            _opened.Add(file, opened);
        }

        return opened;
    }
}
