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
/// Reads a <see cref="NodeConfiguration"/> from three layers: the shipped defaults, a file of the
/// user's, and environment variables (HOCON as Akka reads it knows none of those).
/// </summary>
public static class NodeConfigurationReader
{
    /// <summary>What environment variables that set a key begin with.</summary>
    public const string EnvironmentPrefix = "BACKPROP__";

    private const string Root = "backprop";
    private const int MostTypos = 2;
    private const int MaximumThreads = 1024;
    private const int MinimumKept = 2;
    private const int MaximumKept = 1000;
    private static readonly TimeSpan s_minimumInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_maximumInterval = TimeSpan.FromDays(1);

    /// <summary>The shipped <c>reference.conf</c>: every key with its default.</summary>
    public static string ReferenceText { get; } = ReadReference();

    /// <summary>Reads and validates.</summary>
    /// <param name="file">The user's file; null: none.</param>
    /// <param name="environment">Environment variables; those without
    /// <see cref="EnvironmentPrefix"/> are ignored.</param>
    /// <exception cref="NodeConfigurationException">Anything is wrong.</exception>
    public static NodeConfiguration Read(
        ConfigurationText? file, IReadOnlyDictionary<string, string> environment)
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
        NodeConfiguration? result = mistakes.Count == 0 ? Bind(config, mistakes) : null;
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

            string quoted = value.Replace("\\", "\\\\").Replace("\"", "\\\"");
            overlay = ConfigurationFactory.ParseString($"{path} = \"{quoted}\"")
                .WithFallback(overlay);
        }

        return overlay;
    }

    private static NodeConfiguration Bind(Config config, ImmutableArray<string>.Builder mistakes)
    {
        int threads = Integer(config, "compute.threads", 0, MaximumThreads, mistakes);
        string output = config.GetString($"{Root}.output", "");
        if (string.IsNullOrWhiteSpace(output))
        {
            mistakes.Add($"{Root}.output: is empty; give the name of a directory");
        }

        int keep = Integer(config, "checkpoint.keep", MinimumKept, MaximumKept, mistakes);
        return new NodeConfiguration
        {
            ComputeThreads = threads,
            Output = output,
            Checkpoint = new CheckpointConfiguration(Interval(config, mistakes), keep),
        };
    }

    private static int Integer(
        Config config, string key, int minimum, int maximum,
        ImmutableArray<string>.Builder mistakes)
    {
        string text = config.GetString($"{Root}.{key}", "");
        if (int.TryParse(text, out int value) && value >= minimum && value <= maximum)
        {
            return value;
        }

        mistakes.Add(
            $"{Root}.{key}: '{text}' is not a whole number from {minimum} to {maximum:N0}");
        return minimum;
    }

    private static TimeSpan Interval(Config config, ImmutableArray<string>.Builder mistakes)
    {
        const string key = $"{Root}.checkpoint.interval";
        try
        {
            TimeSpan interval = config.GetTimeSpan(key);
            if (interval >= s_minimumInterval && interval <= s_maximumInterval)
            {
                return interval;
            }
        }
        catch (Exception failure) when (failure is FormatException or OverflowException)
        {
            // Told below, in the same words as a value out of range.
        }

        mistakes.Add($"{key}: '{config.GetString(key, "")}' is not a time from 1s to 24h, "
            + "written like 30s, 5m or 1h");
        return s_minimumInterval;
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
