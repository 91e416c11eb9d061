using System.Collections.Immutable;
using Akka.Configuration;
using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Distributed.Configuration;

/// <summary>A text of settings and where it came from.</summary>
/// <param name="Source">For messages: a file's name.</param>
/// <param name="Text">HOCON.</param>
public sealed record ConfigurationText(string Source, string Text);

/// <summary>
/// Reads a <see cref="NodeConfiguration"/> from its layers: the shipped defaults, a file of the
/// user's, environment variables (HOCON as Akka reads it knows none of those), and options of the
/// command line.
/// </summary>
public static class NodeConfigurationReader
{
    /// <summary>What environment variables that set a key begin with.</summary>
    public const string EnvironmentPrefix = "BACKPROP__";

    private const int MostTypos = 2;

    /// <summary>The shipped <c>reference.conf</c>: every key with its default.</summary>
    public static string ReferenceText { get; } = ReadReference();

    /// <summary>Reads and validates.</summary>
    /// <param name="file">The user's file; null: none.</param>
    /// <param name="environment">Environment variables; those without
    /// <see cref="EnvironmentPrefix"/> are ignored.</param>
    /// <param name="options">Values by the path of their key, which go before all others; null:
    /// none. A path that is no key is a mistake of the program.</param>
    /// <exception cref="NodeConfigurationException">Anything is wrong.</exception>
    public static NodeConfiguration Read(
        ConfigurationText? file, IReadOnlyDictionary<string, string> environment,
        IReadOnlyDictionary<string, string>? options = null)
    {
        var mistakes = ImmutableArray.CreateBuilder<string>();
        Config reference = ConfigurationFactory.ParseString(ReferenceText);
        ImmutableArray<string> known =
        [
            .. Leaves(HoconReader.Read(ReferenceText, "reference.conf"), "")
                .Select(leaf => leaf.Path),
        ];
        Config config = reference;
        if (file is not null)
        {
            config = ReadFile(file, known, mistakes).WithFallback(config);
        }

        config = ReadEnvironment(environment, known, mistakes).WithFallback(config);
        config = ReadOptions(options, known).WithFallback(config);
        NodeConfiguration? result = mistakes.Count == 0
            ? NodeConfigurationBinder.Bind(new SettingReader(config, mistakes))
            : null;
        return result is not null && mistakes.Count == 0
            ? result
            : throw new NodeConfigurationException(mistakes.ToImmutable());
    }

    private static Config ReadFile(
        ConfigurationText file, ImmutableArray<string> known,
        ImmutableArray<string>.Builder mistakes)
    {
        // Akka's parser takes much that is broken for something else, and tells no place; the
        // reader of specifications goes first.
        HoconObject root;
        try
        {
            root = HoconReader.Read(file.Text, file.Source);
        }
        catch (SpecificationException failure)
        {
            mistakes.AddRange(failure.Errors.Select(error => error.ToString()));
            return Config.Empty;
        }

        foreach ((string path, SourcePosition position) in Leaves(root, ""))
        {
            if (!known.Contains(path))
            {
                mistakes.Add($"{position}: unknown key '{path}'; {Suggestion(path, known)}");
            }
        }

        return root.Fields.IsEmpty
            ? Config.Empty
            : ConfigurationFactory.ParseString(HoconWriter.Write(root));
    }

    private static Config ReadEnvironment(
        IReadOnlyDictionary<string, string> environment, ImmutableArray<string> known,
        ImmutableArray<string>.Builder mistakes)
    {
        Config overlay = Config.Empty;
        var variables = environment
            .Where(entry => entry.Key.StartsWith(EnvironmentPrefix, StringComparison.Ordinal))
            .OrderBy(entry => entry.Key, StringComparer.Ordinal);
        foreach ((string name, string value) in variables)
        {
            string path = name.ToLowerInvariant().Replace("__", ".").Replace('_', '-');
            if (!known.Contains(path))
            {
                mistakes.Add($"environment variable {name}: there is no key '{path}'; "
                    + Suggestion(path, known));
                continue;
            }

            overlay = Setting(path, value).WithFallback(overlay);
        }

        return overlay;
    }

    private static Config ReadOptions(
        IReadOnlyDictionary<string, string>? options, ImmutableArray<string> known)
    {
        Config overlay = Config.Empty;
        foreach ((string path, string value)
            in options ?? ImmutableDictionary<string, string>.Empty)
        {
            overlay = known.Contains(path)
                ? Setting(path, value).WithFallback(overlay)
                : throw new ArgumentException($"there is no key '{path}'", nameof(options));
        }

        return overlay;
    }

    private static Config Setting(string path, string value)
    {
        string quoted = value.Replace("\\", "\\\\").Replace("\"", "\\\"");
        return ConfigurationFactory.ParseString($"{path} = \"{quoted}\"");
    }

    private static IEnumerable<(string Path, SourcePosition Position)> Leaves(
        HoconObject value, string path) => value.Fields.SelectMany(field =>
        {
            string here = path.Length == 0 ? field.Key : $"{path}.{field.Key}";
            return field.Value is HoconObject inner
                ? Leaves(inner, here)
                : [(here, field.KeyPosition)];
        });

    private static string Suggestion(string path, ImmutableArray<string> known)
    {
        string last = LastPart(path);
        string? closest = known.MinBy(key => EditDistance(last, LastPart(key)));
        return closest is not null && EditDistance(last, LastPart(closest)) <= MostTypos
            ? $"did you mean '{closest}'?"
            : $"the keys are {string.Join(", ", known)}";
    }

    private static string LastPart(string path) => path[(path.LastIndexOf('.') + 1)..];

    /// <summary>The letters to insert, delete or replace to make one word of the other.</summary>
    private static int EditDistance(string left, string right)
    {
        int[] previous = [.. Enumerable.Range(0, right.Length + 1)];
        for (int i = 1; i <= left.Length; i++)
        {
            int[] current = new int[right.Length + 1];
            current[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int replaced = previous[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
                current[j] = Math.Min(replaced, Math.Min(previous[j], current[j - 1]) + 1);
            }

            previous = current;
        }

        return previous[right.Length];
    }

    private static string ReadReference()
    {
        using Stream stream = typeof(NodeConfigurationReader).Assembly
            .GetManifestResourceStream("reference.conf")
            ?? throw new InvalidOperationException("reference.conf is not in the assembly");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
