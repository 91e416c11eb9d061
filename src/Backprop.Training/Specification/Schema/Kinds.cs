using System.Collections.Immutable;
using Backprop.Data.Sources;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Kinds of values that several sections use.</summary>
internal static class Kinds
{
    public static ValueKind<long> Count { get; } = new IntegerKind(1);

    public static ValueKind<long> CountOrZero { get; } = new IntegerKind(0);

    public static ValueKind<long> LongCount { get; } = new IntegerKind(1, long.MaxValue);

    public static ValueKind<double> Number { get; } = new NumberKind();

    public static ValueKind<double> Positive { get; } = new NumberKind(0, isMinimumOpen: true);

    public static ValueKind<double> NotNegative { get; } = new NumberKind(0);

    /// <summary>[0, 1].</summary>
    public static ValueKind<double> Fraction { get; } = new NumberKind(0, 1);

    /// <summary>[0, 1).</summary>
    public static ValueKind<double> FractionBelowOne { get; } =
        new NumberKind(0, 1, isMaximumOpen: true);

    /// <summary>(0, 1].</summary>
    public static ValueKind<double> FractionAboveZero { get; } =
        new NumberKind(0, 1, isMinimumOpen: true);

    /// <summary>(0, 1).</summary>
    public static ValueKind<double> OpenFraction { get; } =
        new NumberKind(0, 1, isMinimumOpen: true, isMaximumOpen: true);

    public static ValueKind<bool> Boolean { get; } = new BooleanKind();

    public static ValueKind<string> Text { get; } = new TextKind("a text");

    /// <summary>A path, or a URL with its file's digest.</summary>
    public static ValueKind<string> File { get; } = new FileKind();

    /// <summary>One file or several, some of them by a range of numbers.</summary>
    public static ValueKind<ImmutableArray<string>> Files { get; } =
        new ListKind<ImmutableArray<string>>(
            new FileRangeKind(), "a file, or an array of files", acceptsOne: true)
            .As(lists => lists.SelectMany(list => list).ToImmutableArray());

    /// <summary>The path of a folder.</summary>
    public static ValueKind<string> Folder { get; } = new FolderKind();

    /// <summary>What stands in file formats and in arguments such as
    /// <c>output.weight[0,0]</c>.</summary>
    public static ValueKind<string> Name { get; } = new TextKind(
        "a name of letters, digits, '-' and '_'",
        IsName);

    /// <summary>Whether a text is a <see cref="Name"/>.</summary>
    public static bool IsName(string text) => text.Length is > 0 and <= 100
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    public static ValueKind<TimeSpan> Duration { get; } = new DurationKind();

    public static ValueKind<ImmutableArray<double>> Numbers { get; } =
        new ListKind<double>(Number, "an array of numbers");

    /// <summary>Rows of one length.</summary>
    public static ValueKind<NumberTable> Table { get; } = new TableKind();
}

/// <summary>Where a file is; a URL must say which content it stands for.</summary>
internal sealed class FileKind : ValueKind<string>
{
    private static readonly TextKind Name = new(
        "the path of a file, or its URL with `#sha256=` and its digest");

    public override string Description => Name.Description;

    public override bool TryRead(ValueCursor at, out string value)
    {
        if (!Name.TryRead(at, out value))
        {
            return false;
        }

        if (at.FileRefusal?.Invoke(value) is { } refusal)
        {
            return at.Fail(refusal);
        }

        return !RemoteFile.IsUrl(value)
            || RemoteFile.TryParse(value, out _, out string? mistake)
            || at.Fail($"'{value}' is no URL of a file: {mistake}");
    }
}

/// <summary>Where a file is, or files that are numbered: <c>train-{0000..0009}.tar</c>.</summary>
internal sealed class FileRangeKind : ValueKind<ImmutableArray<string>>
{
    public override string Description => Kinds.File.Description;

    public override bool TryRead(ValueCursor at, out ImmutableArray<string> value)
    {
        value = [];
        if (!Kinds.File.TryRead(at, out string name))
        {
            return false;
        }

        return FilePattern.TryExpand(name, out value, out string? mistake)
            || at.Fail($"'{name}' stands for no list of files: {mistake}");
    }
}

/// <summary>Where a folder is.</summary>
internal sealed class FolderKind : ValueKind<string>
{
    private static readonly TextKind Name = new("the path of a folder");

    public override string Description => Name.Description;

    public override bool TryRead(ValueCursor at, out string value)
    {
        if (!Name.TryRead(at, out value))
        {
            return false;
        }

        if (RemoteFile.IsUrl(value))
        {
            return at.Fail($"'{value}' is a URL, by which a file can be got, but no folder");
        }

        return at.FileRefusal?.Invoke(value) is not { } refusal || at.Fail(refusal);
    }
}

/// <summary>Rows of numbers, all of one length.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Width">Numbers in a row.</param>
/// <param name="Values">[rows, width].</param>
internal sealed record NumberTable(int Rows, int Width, ImmutableArray<float> Values);

/// <summary>An array of rows of numbers; a flat array is rows of one number.</summary>
internal sealed class TableKind : ValueKind<NumberTable>
{
    private static readonly ListKind<ImmutableArray<double>> Rows = new(
        new ListKind<double>(Kinds.Number, "a row of numbers", acceptsOne: true),
        "an array of rows of numbers, [[1, 2], [3, 4]]");

    public override string Description => "an array of rows of numbers, `[[1, 2], [3, 4]]`";

    public override bool TryRead(ValueCursor at, out NumberTable value)
    {
        value = null!;
        if (!Rows.TryRead(at, out ImmutableArray<ImmutableArray<double>> rows))
        {
            return false;
        }

        for (int i = 1; i < rows.Length; i++)
        {
            if (rows[i].Length != rows[0].Length)
            {
                return at.Fail(
                    $"row {i} has {rows[i].Length} numbers, but row 0 has {rows[0].Length}; "
                    + "all rows must be of one length");
            }
        }

        value = new NumberTable(
            rows.Length, rows[0].Length, [.. rows.SelectMany(row => row).Select(n => (float)n)]);
        return true;
    }
}
