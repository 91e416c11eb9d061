using System.Globalization;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification.Reading;

/// <summary>A kind that is written as one word, number or string.</summary>
internal abstract class ScalarKind<T> : ValueKind<T>
{
    public sealed override bool TryRead(ValueCursor at, out T value)
    {
        value = default!;
        return at.Value is HoconScalar scalar
            ? TryParse(scalar, at, out value)
            : at.Fail($"expected {Description}, found {at.Value.Describe()}");
    }

    protected abstract bool TryParse(HoconScalar scalar, ValueCursor at, out T value);

    protected bool Refuse(HoconScalar scalar, ValueCursor at) =>
        at.Fail($"expected {Description}, found {scalar.Describe()}");
}

/// <summary>A whole number in a range.</summary>
internal sealed class IntegerKind(long minimum, long maximum = int.MaxValue) : ScalarKind<long>
{
    public override string Description => maximum switch
    {
        int.MaxValue or long.MaxValue => $"an integer, at least {minimum}",
        _ => $"an integer from {minimum} to {maximum}",
    };

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out long value) =>
        (long.TryParse(
            scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value)
            && value >= minimum && value <= maximum)
        || Refuse(scalar, at);
}

/// <summary>A number that counts as a seed: any 64 bits.</summary>
internal sealed class SeedKind : ScalarKind<ulong>
{
    public override string Description => $"an integer from 0 to {ulong.MaxValue}";

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out ulong value) =>
        ulong.TryParse(
            scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out value)
        || Refuse(scalar, at);
}

/// <summary>A finite number in a range, held in single precision where it is used.</summary>
/// <param name="minimum">The least value.</param>
/// <param name="maximum">The greatest value.</param>
/// <param name="isMinimumOpen">Whether the least value itself is refused.</param>
/// <param name="isMaximumOpen">Whether the greatest value itself is refused.</param>
internal sealed class NumberKind(
    double minimum = -float.MaxValue, double maximum = float.MaxValue,
    bool isMinimumOpen = false, bool isMaximumOpen = false) : ScalarKind<double>
{
    public override string Description
    {
        get
        {
            string above = minimum <= -float.MaxValue ? ""
                : isMinimumOpen ? $" above {Text(minimum)}" : $", at least {Text(minimum)}";
            string below = maximum >= float.MaxValue ? ""
                : isMaximumOpen ? $" and below {Text(maximum)}" : $" and at most {Text(maximum)}";
            return $"a number{above}{below}";
        }
    }

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out double value)
    {
        bool isNumber = double.TryParse(
            scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
        bool isInRange = isNumber && value >= minimum && value <= maximum
            && !(isMinimumOpen && value == minimum) && !(isMaximumOpen && value == maximum);

        // What is used in single precision must not vanish there.
        bool survives = value == 0 || (float)value != 0;
        return (isInRange && survives) || Refuse(scalar, at);
    }

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}

internal sealed class BooleanKind : ScalarKind<bool>
{
    public override string Description => "true or false";

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out bool value)
    {
        value = scalar.Text is "true" or "yes" or "on";
        return value || scalar.Text is "false" or "no" or "off" || Refuse(scalar, at);
    }
}

/// <summary>A string; control characters have no place in names and paths.</summary>
internal sealed class TextKind(
    string description, Func<string, bool>? isValid = null, bool mayBeEmpty = false)
    : ScalarKind<string>
{
    private const int MaxLength = 4096;

    public override string Description => description;

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out string value)
    {
        value = scalar.Text;
        return (value.Length <= MaxLength && (mayBeEmpty || value.Length > 0)
            && !value.Any(char.IsControl)
            && (isValid is null || isValid(value))) || Refuse(scalar, at);
    }
}

/// <summary>One of several words.</summary>
internal sealed class WordKind<T>(params (string Word, T Value)[] words) : ScalarKind<T>
{
    public override string Description =>
        $"one of {string.Join(", ", words.Select(w => w.Word))}";

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out T value)
    {
        foreach ((string word, T meaning) in words)
        {
            if (word == scalar.Text)
            {
                value = meaning;
                return true;
            }
        }

        value = default!;
        return at.Fail(
            $"unknown word {scalar.Describe()}; "
            + Spelling.Suggest(scalar.Text, words.Select(w => w.Word)));
    }
}

/// <summary>A duration with its unit, as HOCON writes it: <c>10s</c>, <c>5 minutes</c>.</summary>
internal sealed class DurationKind : ScalarKind<TimeSpan>
{
    private static readonly (string[] Names, double Seconds)[] Units =
    [
        (["ms", "milli", "millis", "millisecond", "milliseconds"], 1e-3),
        (["s", "second", "seconds"], 1),
        (["m", "minute", "minutes"], 60),
        (["h", "hour", "hours"], 3600),
        (["d", "day", "days"], 86400),
    ];

    public override string Description => "a duration above 0 with its unit (ms, s, m, h, d)";

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out TimeSpan value)
    {
        value = default;
        string text = scalar.Text.Trim();
        int split = text.Length;
        while (split > 0 && char.IsAsciiLetter(text[split - 1]))
        {
            split--;
        }

        string unit = text[split..];
        double seconds = Units.FirstOrDefault(u => u.Names.Contains(unit)).Seconds;
        bool isNumber = double.TryParse(
            text[..split], NumberStyles.AllowDecimalPoint | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture, out double count);
        double total = count * seconds;
        if (!isNumber || !(total > 0) || total > TimeSpan.MaxValue.TotalSeconds / 2)
        {
            return Refuse(scalar, at);
        }

        value = TimeSpan.FromSeconds(total);
        return true;
    }
}

/// <summary>A share of one, or of a hundred with a percent sign.</summary>
internal sealed class ShareKind : ScalarKind<double>
{
    private const double Percent = 100;

    public override string Description => "a share from `0%` to `100%`, or from 0 to 1";

    protected override bool TryParse(HoconScalar scalar, ValueCursor at, out double value)
    {
        bool isPercent = scalar.Text.EndsWith('%');
        string number = isPercent ? scalar.Text[..^1].TrimEnd() : scalar.Text;
        bool isNumber = double.TryParse(
            number, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
        value = isPercent ? value / Percent : value;
        return (isNumber && value is >= 0 and <= 1) || Refuse(scalar, at);
    }
}
