using System.Collections;
using System.Globalization;
using System.Reflection;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Everything that a value holds, as text: two values with the same text are the same,
/// down to the entries of their arrays.</summary>
internal static class StructuralText
{
    public static string Of(object? value) => value switch
    {
        null => "null",
        string text => $"'{text}'",
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        float number => number.ToString("R", CultureInfo.InvariantCulture),
        DateTimeOffset time => time.ToString("O", CultureInfo.InvariantCulture),
        IEnumerable entries => $"[{string.Join(", ", entries.Cast<object?>().Select(Of))}]",
        _ when value.GetType().IsPrimitive || value is Enum or TimeSpan => value.ToString()!,
        _ => $"{value.GetType().Name}({string.Join(", ", Fields(value))})",
    };

    private static IEnumerable<string> Fields(object value)
    {
        for (Type? type = value.GetType(); type is not null; type = type.BaseType)
        {
            foreach (FieldInfo field in type.GetFields(
                BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic
                    | BindingFlags.DeclaredOnly))
            {
                yield return $"{field.Name}={Of(field.GetValue(value))}";
            }
        }
    }
}
