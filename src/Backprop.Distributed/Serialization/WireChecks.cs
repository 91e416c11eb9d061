using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Distributed.Coordination;
using Google.Protobuf.Collections;

namespace Backprop.Distributed.Serialization;

/// <summary>What arrives is held to limits before anything is made of it.</summary>
internal static class WireChecks
{
    /// <summary>The longest name of a run, a node or a layer, in characters.</summary>
    public const int MaxNameLength = 1_024;

    /// <summary>The longest reason that is sent; the rest of a longer one is cut off.</summary>
    public const int MaxReasonLength = 16_384;

    public static T Required<T>(T? message, string what)
        where T : class =>
        message ?? throw new SerializationException($"{what} is missing");

    public static string Name(string value, string what) =>
        value.Length is > 0 and <= MaxNameLength
            ? value
            : throw new SerializationException(
                $"{what} has {value.Length:N0} characters, where 1 to {MaxNameLength:N0} may be");

    /// <summary>As a name, but it may be empty.</summary>
    public static string Text(string value, string what) =>
        value.Length <= MaxNameLength
            ? value
            : throw new SerializationException(
                $"{what} has {value.Length:N0} characters, where at most {MaxNameLength:N0} may"
                + " be");

    public static string Specification(string value) =>
        value.Length is > 0 and <= RegistryState.MaxSpecificationLength
            ? value
            : throw new SerializationException(
                $"a specification has {value.Length:N0} characters, where 1 to"
                + $" {RegistryState.MaxSpecificationLength:N0} may be");

    public static T Enum<T>(int value, string what)
        where T : struct, Enum =>
        System.Enum.IsDefined((T)(object)value)
            ? (T)(object)value
            : throw new SerializationException($"there is no {what} {value}");

    public static long ToTicks(DateTimeOffset time) => time.UtcTicks;

    public static DateTimeOffset FromTicks(long ticks) =>
        ticks >= 0 && ticks <= DateTimeOffset.MaxValue.UtcTicks
            ? new DateTimeOffset(ticks, TimeSpan.Zero)
            : throw new SerializationException($"{ticks} is no time");

    public static double Seconds(double value, string what) =>
        value >= 0 && value <= TimeSpan.MaxValue.TotalSeconds / 2
            ? value
            : throw new SerializationException($"{what} of {value} s");

    public static string ToReason(string value) =>
        value.Length <= MaxReasonLength ? value : value[..MaxReasonLength];

    public static string FromReason(string value) =>
        value.Length <= MaxReasonLength
            ? value
            : throw new SerializationException(
                $"a reason has {value.Length:N0} characters, where at most {MaxReasonLength:N0}"
                + " may be");

    public static ImmutableArray<TOut> List<TIn, TOut>(
        RepeatedField<TIn> items, int most, string what, Func<TIn, TOut> read)
    {
        CheckCount(items.Count, most, what);
        var list = ImmutableArray.CreateBuilder<TOut>(items.Count);
        foreach (TIn item in items)
        {
            list.Add(read(item));
        }

        return list.MoveToImmutable();
    }

    public static ImmutableArray<T> List<T>(RepeatedField<T> items, int most, string what)
        where T : struct
    {
        CheckCount(items.Count, most, what);
        return [.. items];
    }

    private static void CheckCount(int count, int most, string what)
    {
        if (count > most)
        {
            throw new SerializationException(
                $"{count:N0} {what}, where at most {most:N0} may be");
        }
    }
}
